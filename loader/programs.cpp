#include "loader/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <memory>
#include <utility>

#include "bulkhead_bpf.skel.h"

#include "bpf/wire.h"
#include "loader/adoption.h"
#include "loader/beancounters.h"
#include "loader/budgets.h"
#include "loader/environments.h"
#include "loader/guard.h"
#include "loader/held_links.h"
#include "loader/labelled.h"
#include "loader/libbpf_log.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/tree_rules.h"
#include "loader/variants.h"

namespace bulkhead::loader {
namespace {

struct SkeletonDeleter {
    void operator()(bulkhead_bpf* skeleton) const { bulkhead_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<bulkhead_bpf, SkeletonDeleter>;

Status choose_programs(const bulkhead_bpf& skeleton, const LoadOptions& options) {
    BULKHEAD_TRY_VALUE(variants, select_variants(skeleton));
    BULKHEAD_TRY(variants.meters);
    for (const std::string& name : options.leave_out) {
        bpf_program* program = bpf_object__find_program_by_name(skeleton.obj, name.c_str());
        if (program == nullptr)
            return fail_usage("no program is named " + name);
        bpf_program__set_autoload(program, false);
    }
    return {};
}

Result<Skeleton> open_and_load(const LoadOptions& options) {
    Skeleton skeleton(bulkhead_bpf__open());
    if (!skeleton)
        return fail_errno("open the kernel programs");
    BULKHEAD_TRY(choose_programs(*skeleton, options));
    if (const int error = bulkhead_bpf__load(skeleton.get()); error != 0)
        return fail(
            Error(-error, "load the kernel programs: " + libbpf_log_tail(), Fault::kUnsupported)
                .advise("bulkhead doctor tells what this kernel lacks"));
    return skeleton;
}

bool is_pinned_as_program(const bpf_program* program) {
    // Iterators are attached by each reader; cgroup programs to one cgroup each; adoption's while
    // an environment is adopted; others while a policy asks for what they refuse.
    const auto type = bpf_program__expected_attach_type(program);
    return type == BPF_TRACE_ITER || bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SKB ||
           bpf_program__type(program) == BPF_PROG_TYPE_CGROUP_SOCK_ADDR ||
           kAdoptionProgram == bpf_program__name(program) ||
           is_on_demand(bpf_program__name(program)) || counts_objects(bpf_program__name(program)) ||
           spends_budgets(bpf_program__name(program));
}

Status attach_and_pin_programs(const bulkhead_bpf& skeleton) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        if (!bpf_program__autoload(program))
            continue;
        const std::string name = bpf_program__name(program);
        if (is_pinned_as_program(program)) {
            if (bpf_program__pin(program, program_pin(name).c_str()) != 0)
                return fail_errno("pin the program " + name);
            continue;
        }
        std::unique_ptr<bpf_link, int (*)(bpf_link*)> link(bpf_program__attach(program),
                                                           bpf_link__destroy);
        if (!link)
            return fail(
                Error::from_errno("attach " + name + " to " + bpf_program__section_name(program))
                    .advise("bulkhead doctor tells what this kernel lacks"));
        if (bpf_link__pin(link.get(), link_pin(name).c_str()) != 0)
            return fail_errno("pin the link of " + name);
    }
    return {};
}

Status pin_maps(const bulkhead_bpf& skeleton) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (bpf_map__is_internal(map))
            continue;
        const std::string name = bpf_map__name(map);
        if (bpf_map__pin(map, map_pin(name).c_str()) != 0)
            return fail_errno("pin the map " + name);
    }
    return {};
}

__u64 boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
}

// The row that says "loaded": written before the pins are visible as complete.
Status write_meta(const bulkhead_bpf& skeleton) {
    bh_meta meta{};
    meta.wire_version = BH_WIRE_VERSION;
    meta.next_serial = 1;
    meta.loaded_ns = boot_time_ns();
    const __u32 zero = 0;
    if (bpf_map_update_elem(bpf_map__fd(skeleton.maps.bh_meta), &zero, &meta, BPF_ANY) != 0)
        return fail_errno("write bh_meta");
    return {};
}

void remove_pins() {
    std::error_code ignored;
    std::filesystem::remove_all(std::filesystem::path(kPinRoot), ignored);
}

// What whoever unloaded was killed over.
void remove_left_pins() {
    std::error_code ignored;
    for (const auto& left : std::filesystem::directory_iterator(kPinRoot, ignored))
        std::filesystem::remove_all(left.path(), ignored);
}

// Whoever unloads meanwhile takes the directories away again.
Result<UniqueFd> make_and_lock_pins() {
    constexpr unsigned kTries = 100;
    for (unsigned tries = 1;; ++tries) {
        const auto made = make_pin_directories();
        auto lock = made ? lock_pins() : fail(Error(made.error()));
        if (lock || lock.error().code() != ENOENT || tries == kTries)
            return lock;
    }
}

Status install(const LoadOptions& options) {
    BULKHEAD_TRY_VALUE(skeleton, open_and_load(options));
    BULKHEAD_TRY(seed_names(bpf_map__fd(skeleton->maps.bh_name_key)));
    BULKHEAD_TRY(write_meta(*skeleton));
    BULKHEAD_TRY(attach_and_pin_programs(*skeleton));
    return pin_maps(*skeleton);
}

// A label stays with whoever was moved out of its environment's cgroup, and without the programs it
// would be a task of the host like any other.
Status refuse_labelled() {
    BULKHEAD_TRY_VALUE(task, find_labelled());
    if (!task)
        return {};
    const std::string pid = std::to_string(task->process);
    return fail(Error(EBUSY, "process " + pid + " (" + task->command +
                                 ") still has the label of an environment that is gone: it was "
                                 "moved out of its cgroup")
                    .advise("the programs keep it fenced until it ends: kill -KILL " + pid));
}

Status refuse_fenced(const Environments& environments) {
    if (const std::size_t count = environments.count(); count != 0)
        return fail(
            Error(EBUSY, std::to_string(count) + " environments are still fenced by the programs")
                .advise("bulkhead list shows them; bulkhead destroy NAME ends one"));
    return refuse_labelled();
}

}  // namespace

Result<LoadOutcome> load(const LoadOptions& options) {
    keep_libbpf_log();
    BULKHEAD_TRY(check_bpffs());
    BULKHEAD_TRY_VALUE(lock, make_and_lock_pins());
    BULKHEAD_TRY_VALUE(state, load_state());
    if (state == LoadState::kLoaded)
        return LoadOutcome::kAlreadyLoaded;
    remove_left_pins();
    BULKHEAD_TRY(make_pin_directories());
    if (auto done = install(options); !done) {
        remove_pins();
        return fail(std::move(done).error());
    }
    return LoadOutcome::kLoaded;
}

Result<UnloadOutcome> unload(Unload how, const std::function<Status()>& first) {
    auto lock = lock_pins();
    if (!lock && lock.error().code() == ENOENT)
        return UnloadOutcome::kNotLoaded;
    if (!lock)
        return fail(std::move(lock).error());
    const auto environments = Environments::open();
    if (environments)
        BULKHEAD_TRY(refuse_fenced(*environments));
    // Of another version, or left by an `unload` that was killed: nothing can be read of it.
    else if (environments.error().code() != EPROTO && environments.error().code() != ENOENT)
        return fail(Error(environments.error()));
    BULKHEAD_TRY_VALUE(is_guarded, is_protected());
    if (is_guarded && how != Unload::kForce)
        return fail(Error(EPERM, "the programs are protected")
                        .advise("bulkhead unload --force takes them out, and is logged"));
    BULKHEAD_TRY(first());
    if (environments)
        environments->retire();
    auto links = hold_pinned_links();
    remove_pins();
    BULKHEAD_TRY(drop(std::move(links)));
    return UnloadOutcome::kUnloaded;
}

std::vector<std::string> program_names() {
    keep_libbpf_log();
    std::vector<std::string> names;
    Skeleton skeleton(bulkhead_bpf__open());
    if (!skeleton)
        return names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj)
        names.emplace_back(bpf_program__name(program));
    return names;
}

}  // namespace bulkhead::loader
