// The fence, one row for each control class, and the meters that are programs: each program was
// loaded, attached and dropped.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "loader/coverage.h"
#include "loader/probe.h"
#include "loader/refusals.h"
#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {
namespace {

using loader::ProbeStage;
using loader::ProgramProbe;
using Probes = std::vector<ProgramProbe>;

std::string story(const ProgramProbe& probe) {
    const char* verb = probe.stage == ProbeStage::kLoad ? "load" : "attach";
    std::string text = Error(probe.error, std::string(verb) + " " + probe.section).message();
    // EPERM is refused before the verifier looks: what it says then is noise.
    if (!probe.detail.empty() && probe.error != EPERM)
        text += " (" + probe.detail + ")";
    return text;
}

std::string advice(const ProgramProbe& probe) {
    if (!probe.remedy.empty())
        return probe.remedy;
    switch (probe.error) {
        case EPERM:
            return ::geteuid() != 0 ? "run it as root: sudo bulkhead doctor"
                                    : "a policy of this machine (lockdown, seccomp, another LSM) "
                                      "does not permit "
                                      "it: use a kernel of your own, as scripts/demo does";
        case ESRCH:
        case ENOENT:
        case EINVAL:
            return "this kernel does not have that hook as the programs know it: "
                   "docs/kernel-requirements.md lists the kernels";
        case ENOMEM:
            return "raise the locked-memory limit: ulimit -l unlimited";
        default:
            return "docs/kernel-requirements.md lists what the kernel needs";
    }
}

std::string join(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

// One row from the programs that carry it together: the first that fails is the reason.
Check conclude_programs(std::string_view group, const std::string& name,
                        const std::vector<const ProgramProbe*>& carriers) {
    Check check{name, std::string(group), Need::kRequired, !carriers.empty(), {}, {}};
    std::vector<std::string> shown;
    for (const ProgramProbe* probe : carriers) {
        shown.push_back(probe->section.substr(probe->section.rfind('/') + 1));
        if (probe->works() || !check.effective)
            continue;
        check.effective = false;
        check.why = story(*probe);
        check.remedy = advice(*probe);
    }
    if (check.effective)
        check.why = "attached " + join(shown);
    if (carriers.empty()) {
        check.why = "no program for it exists on this kernel";
        check.remedy = "docs/kernel-requirements.md lists the kernels";
    }
    return check;
}

std::vector<const ProgramProbe*> carriers_of(bh_class class_id, const Probes& probes) {
    const std::vector<bh_hook> hooks = loader::hooks_of(class_id);
    std::vector<const ProgramProbe*> carriers;
    for (const ProgramProbe& probe : probes) {
        const bh_hook hook = loader::hook_of_section(probe.section);
        if (probe.stage != ProbeStage::kReplaced &&
            std::find(hooks.begin(), hooks.end(), hook) != hooks.end())
            carriers.push_back(&probe);
    }
    return carriers;
}

struct Meter {
    std::string_view part;  // of the section
    const char* name;       // in the words of `usage`
};
constexpr std::array kMeters = {
    Meter{"iter/cgroup", "usage"},
    Meter{"inode_rmdir", "usage"},
    Meter{"cgroup_rmdir", "usage"},
    Meter{"iter/bpf_map_elem", "beancounters"},
    Meter{"sched_process_exit", "exit-status"},
    Meter{"sched_switch", "run-delay"},
    Meter{"task_newtask", "execs"},
    Meter{"net_dev", "network"},
    Meter{"netif", "network"},
    Meter{"cgroup_skb", "network"},
    Meter{"block_", "block-io"},
    Meter{"mark_victim", "oom-kills"},
};

// Programs that carry no class of their own: the meters, and those that keep the books of who owns
// which object, without which the fence would take a new object for one that is gone.
void add_others(const Probes& probes, Checks& checks) {
    std::map<std::string, std::vector<const ProgramProbe*>> meters;
    std::vector<const ProgramProbe*> owners;
    for (const ProgramProbe& probe : probes) {
        if (probe.stage == ProbeStage::kReplaced ||
            loader::hook_of_section(probe.section) != BH_HOOK_COUNT)
            continue;
        const auto* meter = std::find_if(kMeters.begin(), kMeters.end(), [&](const Meter& known) {
            return probe.section.find(known.part) != std::string::npos;
        });
        (meter == kMeters.end() ? owners : meters[meter->name]).push_back(&probe);
    }
    checks.push_back(conclude_programs("fence", "ownership", owners));
    for (const auto& [name, carriers] : meters)
        checks.push_back(conclude_programs("meters", name, carriers));
}

}  // namespace

Checks check_programs() {
    auto probes = loader::probe_programs();
    if (!probes)
        return {conclude("fence", {"programs", Need::kRequired, {}, {}},
                         fail(std::move(probes).error()))};
    Checks checks;
    for (unsigned id = 0; id < BH_CLASS_COUNT; ++id) {
        if (loader::is_enforced(static_cast<bh_class>(id)))
            checks.push_back(conclude_programs("fence", loader::class_name(id),
                                               carriers_of(static_cast<bh_class>(id), *probes)));
    }
    add_others(*probes, checks);
    return checks;
}

}  // namespace bulkhead::runtime
