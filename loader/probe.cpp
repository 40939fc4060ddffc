#include "loader/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

#include "bulkhead_bpf.skel.h"

#include "loader/libbpf_log.h"
#include "loader/pins.h"
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

// Any cgroup walk needs an order; one cgroup is enough to see that the iterator attaches. A walk
// over a map needs a map.
Link attach_iterator(const bpf_program* program) {
    bpf_iter_link_info target{};
    target.cgroup.order = BPF_CGROUP_ITER_SELF_ONLY;
    bpf_iter_attach_opts options{};
    options.sz = sizeof options;
    const bool walks_cgroups = std::strstr(bpf_program__section_name(program), "cgroup") != nullptr;
    UniqueFd map;
    if (std::strstr(bpf_program__section_name(program), "map_elem") != nullptr) {
        map.reset(
            bpf_map_create(BPF_MAP_TYPE_ARRAY, "bh_try", sizeof(__u32), sizeof(__u64), 1, nullptr));
        target.map.map_fd = static_cast<__u32>(map.get());
    }
    if (walks_cgroups || map) {
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

// The link keeps the program on its hook; empty for what does not attach by itself.
Link try_attach(const bpf_program* program, ProgramProbe& probe) {
    Link link(nullptr, bpf_link__destroy);
    probe.stage = ProbeStage::kAttach;
    if (attaches_by_itself(program)) {
        const bool iterates = bpf_program__expected_attach_type(program) == BPF_TRACE_ITER;
        link = iterates ? attach_iterator(program)
                        : Link(bpf_program__attach(program), bpf_link__destroy);
        if (!link) {
            probe.error = errno;
            return link;
        }
    }
    probe.stage = ProbeStage::kDone;
    return link;
}

ProgramProbe describe(const bpf_program* program) {
    ProgramProbe probe{};
    probe.name = bpf_program__name(program);
    probe.section = bpf_program__section_name(program);
    probe.stage = bpf_program__autoload(program) ? ProbeStage::kLoad : ProbeStage::kReplaced;
    return probe;
}

// The object was refused as a whole: each program alone tells which of them it was.
Result<Link> probe_alone(ProgramProbe& probe) {
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
        return Link(nullptr, bpf_link__destroy);
    }
    return try_attach(chosen, probe);
}

// It attaches, and would read nothing.
void lack(ProgramProbe& probe, const Error& missing) {
    probe.stage = ProbeStage::kLoad;
    probe.error = missing.code();
    probe.detail = missing.what();
    probe.remedy = missing.remedy();
}

// The programs are loaded for good: this one works as long as its pin is there and names it.
void probe_pinned(ProgramProbe& probe) {
    const auto link = open_pinned(link_pin(probe.name));
    const auto program = link ? program_of(link->get()) : open_pinned(program_pin(probe.name));
    bpf_prog_info info{};
    __u32 bytes = sizeof info;
    if (program && bpf_obj_get_info_by_fd(program->get(), &info, &bytes) == 0 &&
        probe.name == info.name) {
        probe.stage = ProbeStage::kDone;
        return;
    }
    probe.stage = ProbeStage::kAttach;
    probe.error = ENOENT;
    probe.detail = "it was loaded, and somebody took it out";
    probe.remedy = "stop the environments, then: bulkhead unload && bulkhead load";
}

// Taking a program off its hook waits for a grace period of RCU tasks: a tenth of a second for
// each, and much more on a busy machine. A child that nobody waits for does that.
void drop_behind(std::vector<Link> links) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return;
    UniqueFd read(ends[0]);
    UniqueFd write(ends[1]);
    if (::fork() == 0) {
        // Whoever reads our output waits for its end, not for this.
        for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            ::close(stream);
        write.reset();
        char end = 0;
        (void)!::read(read.get(), &end, 1);  // until the links are the child's alone
        ::_exit(0);
    }
    links.clear();
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
    const auto state = load_state();
    const bool pinned = state && *state == LoadState::kLoaded;
    const bool loaded = !pinned && bulkhead_bpf__load(skeleton.get()) == 0;
    std::vector<ProgramProbe> probes;
    std::vector<Link> links;
    std::set<bpf_prog_type> not_permitted;  // to us: privilege is by type
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        ProgramProbe& probe = probes.emplace_back(describe(program));
        if (probe.stage == ProbeStage::kReplaced)
            continue;
        if (pinned) {
            probe_pinned(probe);
        } else if (loaded) {
            links.push_back(try_attach(program, probe));
        } else if (not_permitted.contains(bpf_program__type(program))) {
            probe.error = EPERM;
        } else {
            BULKHEAD_TRY_VALUE(link, probe_alone(probe));
            links.push_back(std::move(link));
            if (probe.stage == ProbeStage::kLoad && probe.error == EPERM)
                not_permitted.insert(bpf_program__type(program));
        }
        if (program == skeleton->progs.bh_meter && probe.works() && !opened.variants.meters)
            lack(probe, opened.variants.meters.error());
    }
    if (!links.empty())
        drop_behind(std::move(links));
    return probes;
}

}  // namespace bulkhead::loader
