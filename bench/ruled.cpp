#include "bench/ruled.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "bench/attached.h"
#include "bench/policies.h"
#include "bench/subject.h"
#include "loader/programs.h"

namespace bulkhead::bench {
namespace {

using Programs = std::vector<HookProgram>;

Result<const HookProgram*> find_program(const Programs& programs, std::string_view name) {
    const auto found = std::find_if(programs.begin(), programs.end(),
                                    [&](const HookProgram& one) { return one.name == name; });
    if (found == programs.end())
        return fail(Error(0, std::string(name) + " is not loaded"));
    return &*found;
}

Result<Operation> find_operation(std::string_view name) {
    for (const Operation& operation : rule_operations())
        if (operation.name == name)
            return operation;
    for (const Operation& operation : all_operations())
        if (operation.name == name)
            return operation;
    return fail(Error(0, "no operation is named " + std::string(name)));
}

// An act, and the programs on its hook that the rules decide by.
struct Ruled {
    const char* figure;
    const char* operation;
    std::vector<const char*> programs;
};

Status measure(const Ruled& ruled, const Programs& all, const Inside& inside, Figures& figures) {
    std::vector<const HookProgram*> programs;
    for (const char* name : ruled.programs) {
        BULKHEAD_TRY_VALUE(program, find_program(all, name));
        programs.push_back(program);
    }
    BULKHEAD_TRY_VALUE(operation, find_operation(ruled.operation));
    const std::uint64_t refusals = inside.refusals();
    BULKHEAD_TRY_VALUE(empty, cost_of(operation, {.inside = &inside, .while_measuring = [&] {
                                                      return attach_empty(*programs.front());
                                                  }}));
    BULKHEAD_TRY_VALUE(within, cost_of(operation, {.inside = &inside, .while_measuring = [&] {
                                                       return attach_all(programs);
                                                   }}));
    if (inside.refusals() != refusals)
        return fail(Error(0, std::string(ruled.operation) + " was refused"));
    figures[std::string("rules.") + ruled.figure + ".empty"] = empty;
    figures[std::string("rules.") + ruled.figure + ".inside"] = within;
    return {};
}

// Publishing puts programs on their hooks; those that are measured are put there one by one.
Status publish(Inside& inside, const std::string& text) {
    BULKHEAD_TRY(inside.publish_rules(text));
    BULKHEAD_TRY(detach_all());
    return {};
}

Status make_files() {
    for (int i = 0; i < kNewFiles; ++i)
        for (const auto path_of : {path_beneath, path_beside, path_far_beneath})
            BULKHEAD_TRY(write_file(path_of(kPathRules, i), ""));
    for (int i = 0; i < kSeparateRules; ++i)
        BULKHEAD_TRY(write_file(path_of_rule(i), ""));
    BULKHEAD_TRY(write_file(kNoProgram, "none"));
    if (::chmod(kNoProgram, 0755) != 0)
        return fail_errno(std::string("make executable ") + kNoProgram);
    return {};
}

Status measure_opening(const Programs& programs, Inside& inside, Figures& figures) {
    const auto opening = [&](const char* name, const std::string& rules) -> Status {
        BULKHEAD_TRY(publish(inside, rules));
        return measure({name, name, {"bh_tree_open"}}, programs, inside, figures);
    };
    BULKHEAD_TRY(opening("open_new", directory_rules(kPathRules)));
    BULKHEAD_TRY(opening("open_again", directory_rules(kPathRules)));
    BULKHEAD_TRY(opening("open_beside", refusals(kPathRules)));
    BULKHEAD_TRY(opening("open_far", top_rules(kPathRules)));
    return opening("open_first", separate_rules(kSeparateRules));
}

Status measure_loaded(Figures& figures) {
    BULKHEAD_TRY(make_files());
    BULKHEAD_TRY_VALUE(inside, Inside::publish());
    BULKHEAD_TRY(inside.attach_on_demand());
    BULKHEAD_TRY_VALUE(programs, detach_all());

    BULKHEAD_TRY(measure_opening(programs, inside, figures));

    BULKHEAD_TRY(publish(inside, network_rules(kNetworkRules)));
    BULKHEAD_TRY(
        measure({"connect", "connect_udp", {"bh_sock_connect"}}, programs, inside, figures));

    BULKHEAD_TRY(publish(inside,
                         "[files]\ndrift = \"refuse\"\n"
                         "[processes]\nanonymous_execution = \"refuse\"\n"));
    return measure({"exec", "try_exec", {"bh_exec", "bh_exec_code"}}, programs, inside, figures);
}

}  // namespace

Status measure_rules(Figures& figures) {
    BULKHEAD_TRY(make_subjects_cgroup());
    BULKHEAD_TRY_VALUE(loaded, loader::load());
    if (loaded != loader::LoadOutcome::kLoaded)
        return fail(Error(0, "programs of an earlier run are in the kernel"));
    auto measured = measure_loaded(figures);
    BULKHEAD_TRY(unload_and_detach());
    return measured;
}

}  // namespace bulkhead::bench
