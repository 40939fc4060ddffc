#include "bench/hooks.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "bench/attached.h"
#include "bench/subject.h"
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

// Twice: the first time also fills slabs, caches and free lists that the later measures find full.
Status measure_without(Figures& nothing) {
    for (const Operation& operation : all_operations())
        BULKHEAD_TRY(cost_of(operation, {}));
    for (const Operation& operation : all_operations()) {
        BULKHEAD_TRY_VALUE(cost, cost_of(operation, {}));
        nothing[std::string(operation.name)] = cost;
    }
    return {};
}

Status measure_all(const Inside& inside, Figures& figures) {
    for (const Operation& operation : all_operations()) {
        if (!is_common(operation))
            continue;
        BULKHEAD_TRY_VALUE(outside_cost, cost_of(operation, {}));
        BULKHEAD_TRY_VALUE(inside_cost, cost_of(operation, {.inside = &inside}));
        figures[all_name(operation.name, "outside")] = outside_cost;
        figures[all_name(operation.name, "inside")] = inside_cost;
    }
    return {};
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
                .measure("one." + program.hook + "." + program.name, operation,
                         nothing.at(std::string(wanted)), inside, figures);
    return fail(Error(0, "no operation reaches the hook " + program.hook + " of " + program.name));
}

Status measure_each(const Inside& inside, const Figures& nothing, Figures& figures) {
    BULKHEAD_TRY_VALUE(programs, detach_all());
    const auto labels = std::find_if(programs.begin(), programs.end(), [](const auto& program) {
        return program.hook == "task_alloc";
    });
    if (labels == programs.end())
        return fail(Error(0, "no program is on task_alloc"));
    for (const HookProgram& program : programs) {
        if (is_measurable(program.hook))
            BULKHEAD_TRY(measure_alone(program, *labels, inside, nothing, figures));
    }
    return {};
}

Status measure_loaded(const Figures& nothing, Figures& figures) {
    BULKHEAD_TRY_VALUE(inside, Inside::publish());
    BULKHEAD_TRY(measure_all(inside, figures));
    BULKHEAD_TRY(inside.attach_on_demand());
    return measure_each(inside, nothing, figures);
}

}  // namespace

Status measure_hooks(Figures& figures) {
    Figures nothing;
    BULKHEAD_TRY(make_subjects_cgroup());
    BULKHEAD_TRY(measure_without(nothing));
    for (const std::string_view operation : kCommon)
        figures[all_name(operation, "none")] = nothing.at(std::string(operation));
    BULKHEAD_TRY_VALUE(loaded, loader::load());
    if (loaded != loader::LoadOutcome::kLoaded)
        return fail(Error(0, "programs of an earlier run are in the kernel"));
    auto measured = measure_loaded(nothing, figures);
    BULKHEAD_TRY(unload_and_detach());
    return measured;
}

}  // namespace bulkhead::bench
