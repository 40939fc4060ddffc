#include "cli/status_json.h"

#include <cstdint>

#include "loader/refusals.h"
#include "runtime/format.h"
#include "runtime/policy/classes.h"

namespace bulkhead::cli {
namespace {

std::vector<std::string> allowed_classes(std::uint64_t control) {
    std::vector<std::string> allowed;
    for (unsigned class_id = 0; class_id < BH_FIRST_POLICY_CLASS; ++class_id) {
        if (!BH_CONTROL_REFUSES(control, class_id))
            allowed.emplace_back(loader::class_name(class_id));
    }
    return allowed;
}

// Those that are refused only because the policy asks for it.
std::vector<std::string> added_classes(std::uint64_t control) {
    std::vector<std::string> added;
    for (unsigned class_id = BH_FIRST_POLICY_CLASS; class_id < BH_CLASS_COUNT; ++class_id) {
        if (BH_CONTROL_REFUSES(control, class_id))
            added.emplace_back(loader::class_name(class_id));
    }
    return added;
}

// In bytes, and in CPUs.
std::string plan_text(const runtime::Plan& plan) {
    const double unit = plan.resource == BH_PLAN_CPUS ? 1000 : 1;
    const auto shown = [=](std::uint64_t amount) { return static_cast<double>(amount) / unit; };
    return formatted("plan:        {} {}..{}, now {}\n", runtime::plan_resource_name(plan.resource),
                     shown(plan.bounds.least), shown(plan.bounds.most), shown(plan.limit));
}

}  // namespace

std::string joined(const std::vector<std::string>& words, const char* separator) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
        text.append(i == 0 ? "" : separator).append(words[i]);
    return text;
}

Json status_to_json(const runtime::EnvironmentStatus& status) {
    Json json{{"name", status.name},
              {"phase", runtime::phase_name(status.phase)},
              {"mode", policy::mode_name(status.control)},
              {"generation", BH_CONTROL_GENERATION(status.control)},
              {"allowed_classes", allowed_classes(status.control)},
              {"added_classes", added_classes(status.control)},
              {"refused", status.refused},
              {"audited", status.audited},
              {"learned", status.learned},
              {"unlearned", status.unlearned}};
    if (status.exit_code)
        json["exit_code"] = *status.exit_code;
    if (!status.problem.empty())
        json["problem"] = status.problem;
    for (const runtime::Plan& plan : status.plans)
        json["plans"].push_back({{"resource", runtime::plan_resource_name(plan.resource)},
                                 {"least", plan.bounds.least},
                                 {"most", plan.bounds.most},
                                 {"limit", plan.limit}});
    if (!status.state)
        return json;
    const runtime::EnvironmentState& state = *status.state;
    json["pid"] = state.pid;
    json["started_at"] = state.started_at;
    json["start_cost_ns"] = state.start_cost_ns;
    json["command"] = state.spec.process.argv;
    json["root"] = state.spec.root.path;
    json["network"] = state.spec.network == runtime::NetworkKind::kHost ? "host" : "none";
    json["policy"] = state.spec.policy.name;
    json["adopted_cgroup"] = state.spec.adopted_cgroup;
    json["best_effort"] = state.spec.strictness == runtime::Strictness::kBestEffort;
    return json;
}

std::string status_to_text(const runtime::EnvironmentStatus& status) {
    std::string text = formatted("name:        {}\nphase:       {}\n", status.name,
                                 runtime::phase_name(status.phase));
    if (status.exit_code)
        text += formatted("exit code:   {}\n", *status.exit_code);
    if (!status.problem.empty())
        text += formatted("problem:     {}\n", status.problem);
    const auto allowed = allowed_classes(status.control);
    text += formatted("mode:        {}, generation {}\nallowed:     {}\nrefused:     {}\n",
                      policy::mode_name(status.control), BH_CONTROL_GENERATION(status.control),
                      allowed.empty() ? "no class" : joined(allowed, " "), status.refused);
    if (const auto added = added_classes(status.control); !added.empty())
        text += formatted("also for:    {}\n", joined(added, " "));
    for (const runtime::Plan& plan : status.plans)
        text += plan_text(plan);
    if (status.audited != 0)
        text += formatted("audited:     {} would have been refused\n", status.audited);
    if (status.learned != 0)
        text += formatted("learned:     {} acts\n", status.learned);
    if (status.unlearned != 0)
        text += formatted("incomplete:  {} acts could not be kept\n", status.unlearned);
    if (!status.state)
        return text;
    const runtime::EnvironmentState& state = *status.state;
    if (!state.spec.adopted_cgroup.empty()) {
        text += formatted("adopted:     {} at {}\n", state.spec.adopted_cgroup, state.started_at);
        return text;
    }
    text += formatted("pid:         {} on the host\nstarted:     {} in {:.1f} ms\n", state.pid,
                      state.started_at, static_cast<double>(state.start_cost_ns) / 1e6);
    text += formatted("command:     {}\nroot:        {}\n", joined(state.spec.process.argv, " "),
                      state.spec.root.path);
    if (state.spec.strictness == runtime::Strictness::kBestEffort)
        text += "best effort: yes, what this machine cannot do was left out\n";
    return text;
}

}  // namespace bulkhead::cli
