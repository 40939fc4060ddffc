#include "loader/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "bulkhead_bpf.skel.h"

#include "loader/libbpf_log.h"
#include "loader/unique_fd.h"
#include "loader/variants.h"

namespace bulkhead::loader {
namespace {

struct SkeletonDeleter {
    void operator()(bulkhead_bpf* skeleton) const { bulkhead_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<bulkhead_bpf, SkeletonDeleter>;
using Link = std::unique_ptr<bpf_link, int (*)(bpf_link*)>;

// More than the log of any of the programs.
constexpr std::size_t kLogBytes = 4 << 20;

struct Opened {
    Skeleton skeleton;
    Variants variants;
};

Result<Opened> open_skeleton() {
    Skeleton skeleton(bulkhead_bpf__open());
    if (!skeleton)
        return fail_errno("open the kernel programs");
    BULKHEAD_TRY_VALUE(variants, select_variants(*skeleton));
    return Opened{std::move(skeleton), std::move(variants)};
}

// The last line of a verifier log that says something: the summary lines that follow it do not.
std::string verdict(std::string_view log) {
    std::string last;
    while (!log.empty()) {
        const std::size_t end = log.find('\n');
        const std::string_view line = log.substr(0, end);
        if (!line.empty() && !line.starts_with("processed ") &&
            !line.starts_with("verification time") && !line.starts_with("stack depth"))
            last = line;
        log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
    }
    return last;
}

// Any cgroup walk needs an order; one cgroup is enough to see that the iterator attaches.
Link attach_iterator(const bpf_program* program) {
    bpf_iter_link_info target{};
    target.cgroup.order = BPF_CGROUP_ITER_SELF_ONLY;
    bpf_iter_attach_opts options{};
    options.sz = sizeof options;
    const bool walks_cgroups = std::strstr(bpf_program__section_name(program), "cgroup") != nullptr;
    if (walks_cgroups) {
        options.link_info = &target;
        options.link_info_len = sizeof target;
    }
    return Link(bpf_program__attach_iter(program, &options), bpf_link__destroy);
}

// For programs that hang on one cgroup or one interface each, being loaded is all there is to try.
bool attaches_by_itself(const bpf_program* program) {
    const auto type = bpf_program__type(program);
    return type == BPF_PROG_TYPE_LSM || type == BPF_PROG_TYPE_TRACING ||
           type == BPF_PROG_TYPE_RAW_TRACEPOINT || type == BPF_PROG_TYPE_TRACEPOINT ||
           type == BPF_PROG_TYPE_KPROBE;
}

void try_attach(const bpf_program* program, ProgramProbe& probe) {
    probe.stage = ProbeStage::kAttach;
    if (attaches_by_itself(program)) {
        const bool iterates = bpf_program__expected_attach_type(program) == BPF_TRACE_ITER;
        const Link link = iterates ? attach_iterator(program)
                                   : Link(bpf_program__attach(program), bpf_link__destroy);
        if (!link) {
            probe.error = errno;
            return;
        }
    }
    probe.stage = ProbeStage::kDone;
}

ProgramProbe describe(const bpf_program* program) {
    ProgramProbe probe{};
    probe.name = bpf_program__name(program);
    probe.section = bpf_program__section_name(program);
    probe.stage = bpf_program__autoload(program) ? ProbeStage::kLoad : ProbeStage::kReplaced;
    return probe;
}

// The object was refused as a whole: each program alone tells which of them it was.
Status probe_alone(ProgramProbe& probe) {
    BULKHEAD_TRY_VALUE(opened, open_skeleton());
    const Skeleton& skeleton = opened.skeleton;
    bpf_program* chosen = nullptr;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        const bool is_chosen = probe.name == bpf_program__name(program);
        bpf_program__set_autoload(program, is_chosen);
        if (is_chosen)
            chosen = program;
    }
    // Written only when the load fails: one that succeeds with a longer log would be ENOSPC.
    std::vector<char> log(kLogBytes);
    bpf_program__set_log_buf(chosen, log.data(), log.size());
    if (const int error = bulkhead_bpf__load(skeleton.get()); error != 0) {
        probe.error = -error;
        probe.detail = verdict(log.data());
        return {};
    }
    try_attach(chosen, probe);
    return {};
}

// It attaches, and would read nothing.
void lack(ProgramProbe& probe, const Error& missing) {
    probe.stage = ProbeStage::kLoad;
    probe.error = missing.code();
    probe.detail = missing.what();
    probe.remedy = missing.remedy();
}

}  // namespace

Status probe_btf() {
    keep_libbpf_log();
    const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel)
        return fail_errno("read /sys/kernel/btf/vmlinux");
    return {};
}

Result<std::vector<ProgramProbe>> probe_programs() {
    keep_libbpf_log();
    BULKHEAD_TRY_VALUE(opened, open_skeleton());
    const Skeleton& skeleton = opened.skeleton;
    const bool loaded = bulkhead_bpf__load(skeleton.get()) == 0;
    std::vector<ProgramProbe> probes;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        ProgramProbe probe = describe(program);
        if (probe.stage != ProbeStage::kReplaced) {
            if (loaded)
                try_attach(program, probe);
            else
                BULKHEAD_TRY(probe_alone(probe));
        }
        if (program == skeleton->progs.bh_meter && probe.works() && !opened.variants.meters)
            lack(probe, opened.variants.meters.error());
        probes.push_back(std::move(probe));
    }
    return probes;
}

}  // namespace bulkhead::loader
