#include "bench/hooks.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "bench/attached.h"
#include "bench/subject.h"
#include "bpf/wire.h"
#include "loader/pins.h"
#include "loader/programs.h"

namespace bulkhead::bench {
namespace {

// What programs do all day: measured with everything attached.
constexpr std::array<std::string_view, 12> kCommon = {
    "open_close",       "stat",          "mmap_munmap", "read_write",          "create_unlink",
    "fork_exit",        "exec",          "kill",        "connect_accept_unix", "connect_accept_tcp",
    "tcp_send_receive", "context_switch"};

bool is_common(const Operation& operation) {
    return std::find(kCommon.begin(), kCommon.end(), operation.name) != kCommon.end();
}

std::string all_name(std::string_view operation, const char* what) {
    return "all." + std::string(operation) + "." + what;
}

std::string one_name(const HookProgram& program) {
    return "one." + program.hook + "." + program.name;
}

bool is_wanted(const std::string& group, const Groups& groups) {
    return groups.empty() || groups.contains(group);
}

// By any of the groups.
std::vector<Operation> wanted_operations(const Groups& groups) {
    constexpr std::size_t kHook = std::string_view("one.").size();
    std::set<std::string_view> names;
    for (const std::string& group : groups) {
        const std::string_view name(group);
        if (name.starts_with("all."))
            names.insert(name.substr(kHook));
        else
            names.insert(operation_of(name.substr(kHook, name.rfind('.') - kHook)));
    }
    std::vector<Operation> wanted;
    for (const Operation& operation : all_operations())
        if (groups.empty() || names.contains(operation.name))
            wanted.push_back(operation);
    return wanted;
}

// What gates subtract from each other: one time may meet what another does not.
Result<std::int64_t> cost_of_common(const Operation& operation, const Around& around) {
    std::vector<std::int64_t> costs;
    costs.reserve(3);
    for (int time = 0; time < 3; ++time) {
        BULKHEAD_TRY_VALUE(cost, cost_of(operation, around));
        costs.push_back(cost);
    }
    return median(std::move(costs));
}

// Twice: the first time also fills slabs, caches and free lists that the later measures find full.
Status measure_without(const Groups& groups, Figures& nothing) {
    const auto operations = wanted_operations(groups);
    for (const Operation& operation : operations)
        BULKHEAD_TRY(cost_of(operation, {}));
    for (const Operation& operation : operations) {
        BULKHEAD_TRY_VALUE(
            cost, is_common(operation) ? cost_of_common(operation, {}) : cost_of(operation, {}));
        nothing[std::string(operation.name)] = cost;
    }
    return {};
}

Status measure_all(const Groups& groups, const Inside& inside, const Figures& nothing,
                   Figures& figures) {
    for (const Operation& operation : all_operations()) {
        if (!is_common(operation) || !is_wanted("all." + std::string(operation.name), groups))
            continue;
        figures[all_name(operation.name, "none")] = nothing.at(std::string(operation.name));
        BULKHEAD_TRY_VALUE(outside_cost, cost_of_common(operation, {}));
        BULKHEAD_TRY_VALUE(inside_cost, cost_of_common(operation, {.inside = &inside}));
        figures[all_name(operation.name, "outside")] = outside_cost;
        figures[all_name(operation.name, "inside")] = inside_cost;
    }
    return {};
}

// Of objects that went while the program which takes them off the books was not attached: what
// comes to lie at the same address would be the subject's.
Status forget_objects() {
    const auto owners = loader::open_pinned_map<__u64, bh_label>("bh_objects");
    if (!owners)
        return fail(Error(owners.error()));
    std::vector<__u64> objects;
    BULKHEAD_TRY(owners->for_each_key([&](__u64 object) { objects.push_back(object); }));
    return owners->erase_all(objects);
}

// One program alone. `labels` passes the label on to the children that an operation's preparation
// makes.
class Alone {
public:
    Alone(const HookProgram& program, const HookProgram& labels) {
        outside_.while_measuring = [&program] { return attach_all({&program}); };
        empty_.while_measuring = [&program] { return attach_empty(program); };
        inside_.while_measuring = outside_.while_measuring;
        inside_.while_preparing = [&labels] { return attach_all({&labels}); };
    }

    Status measure(const std::string& name, const Operation& operation, std::int64_t nothing,
                   const Inside& inside, Figures& figures) {
        BULKHEAD_TRY_VALUE(empty, cost_of(operation, empty_));
        BULKHEAD_TRY_VALUE(outside, cost_of(operation, outside_));
        inside_.inside = &inside;
        const std::uint64_t refusals = inside.refusals();
        BULKHEAD_TRY_VALUE(within, cost_of(operation, inside_));
        figures[name + ".empty"] = empty - nothing;
        figures[name + ".outside"] = outside - nothing;
        figures[name + ".inside"] = within - nothing;
        figures[name + ".whole"] = nothing;
        if (inside.refusals() != refusals)
            figures[name + ".refused"] = 1;
        return {};
    }

private:
    Around empty_;
    Around outside_;
    Around inside_;
};

Status measure_alone(const HookProgram& program, const HookProgram& labels, const Inside& inside,
                     const Figures& nothing, Figures& figures) {
    const std::string_view wanted = operation_of(program.hook);
    for (const Operation& operation : all_operations())
        if (operation.name == wanted)
            return Alone(program, labels)
                .measure(one_name(program), operation, nothing.at(std::string(wanted)), inside,
                         figures);
    return fail(Error(0, "no operation reaches the hook " + program.hook + " of " + program.name));
}

Status measure_each(const Groups& groups, const Inside& inside, const Figures& nothing,
                    Figures& figures) {
    BULKHEAD_TRY_VALUE(programs, detach_all());
    const auto labels = std::find_if(programs.begin(), programs.end(), [](const auto& program) {
        return program.hook == "task_alloc";
    });
    if (labels == programs.end())
        return fail(Error(0, "no program is on task_alloc"));
    for (const HookProgram& program : programs) {
        if (!is_measurable(program.hook) || !is_wanted(one_name(program), groups))
            continue;
        BULKHEAD_TRY(forget_objects());
        BULKHEAD_TRY(measure_alone(program, *labels, inside, nothing, figures));
    }
    return {};
}

Status measure_loaded(const Groups& groups, const Figures& nothing, Figures& figures) {
    BULKHEAD_TRY_VALUE(inside, Inside::publish());
    BULKHEAD_TRY(measure_all(groups, inside, nothing, figures));
    BULKHEAD_TRY(inside.attach_on_demand());
    return measure_each(groups, inside, nothing, figures);
}

}  // namespace

Status measure_hooks(const Groups& groups, Figures& figures) {
    Figures nothing;
    BULKHEAD_TRY(make_subjects_cgroup());
    BULKHEAD_TRY(measure_without(groups, nothing));
    BULKHEAD_TRY_VALUE(loaded, loader::load());
    if (loaded != loader::LoadOutcome::kLoaded)
        return fail(Error(0, "programs of an earlier run are in the kernel"));
    auto measured = measure_loaded(groups, nothing, figures);
    BULKHEAD_TRY(unload_and_detach());
    return measured;
}

}  // namespace bulkhead::bench
