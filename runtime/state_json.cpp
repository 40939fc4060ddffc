// environment.json: the specification and what came of it.
#include <cerrno>

#include "runtime/json_reader.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

constexpr int kFormatVersion = 1;

template <typename Number>
void put(Json& json, const char* key, const std::optional<Number>& value) {
    if (value)
        json[key] = *value;
}

template <typename Number>
void get(const JsonReader& json, const char* key, std::optional<Number>& value) {
    if (json.has(key))
        value = json.number<Number>(key);
}

Json limits_to_json(const Limits& limits) {
    Json json = Json::object();
    put(json, "memory_bytes", limits.memory_bytes);
    put(json, "memory_min_bytes", limits.memory_min_bytes);
    put(json, "memory_low_bytes", limits.memory_low_bytes);
    put(json, "swap_bytes", limits.swap_bytes);
    put(json, "cpu_milli", limits.cpu_milli);
    put(json, "cpu_weight", limits.cpu_weight);
    put(json, "io_weight", limits.io_weight);
    put(json, "pids", limits.pids);
    return json;
}

Limits limits_from_json(const JsonReader& json) {
    Limits limits;
    get(json, "memory_bytes", limits.memory_bytes);
    get(json, "memory_min_bytes", limits.memory_min_bytes);
    get(json, "memory_low_bytes", limits.memory_low_bytes);
    get(json, "swap_bytes", limits.swap_bytes);
    get(json, "cpu_milli", limits.cpu_milli);
    get(json, "cpu_weight", limits.cpu_weight);
    get(json, "io_weight", limits.io_weight);
    get(json, "pids", limits.pids);
    return limits;
}

Json bounds_to_json(const std::vector<BeancounterBounds>& all) {
    Json json = Json::array();
    for (const BeancounterBounds& one : all)
        json.push_back({{"name", loader::beancounter_name(one.counter)},
                        {"barrier", one.bounds.barrier},
                        {"limit", one.bounds.limit}});
    return json;
}

std::vector<BeancounterBounds> bounds_from_json(const std::vector<JsonReader>& json) {
    std::vector<BeancounterBounds> all;
    for (const JsonReader& entry : json)
        for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter)
            if (entry.text("name") == loader::beancounter_name(counter))
                all.push_back({static_cast<bh_beancounter_id>(counter),
                               {entry.number<std::uint64_t>("barrier"),
                                entry.number<std::uint64_t>("limit")}});
    return all;
}

Json budgets_to_json(const std::vector<BudgetWanted>& all) {
    Json json = Json::array();
    for (const BudgetWanted& one : all)
        if (one.terms)
            json.push_back({{"name", loader::budget_name(one.kind)},
                            {"amount", one.terms->amount},
                            {"warn", one.terms->warn},
                            {"period_ns", one.terms->period_ns},
                            {"on_warn", action_name(one.terms->on_warn)},
                            {"on_exceed", action_name(one.terms->on_exceed)}});
    return json;
}

bh_budget_action action_named(const std::string& name) {
    for (unsigned action = 0; action < BH_ON_COUNT; ++action)
        if (name == action_name(action))
            return static_cast<bh_budget_action>(action);
    return BH_ON_REFUSE;
}

std::vector<BudgetWanted> budgets_from_json(const std::vector<JsonReader>& json) {
    std::vector<BudgetWanted> all;
    for (const JsonReader& entry : json)
        for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind)
            if (entry.text("name") == loader::budget_name(kind))
                all.push_back({static_cast<bh_budget_kind>(kind),
                               loader::BudgetTerms{entry.number<std::uint64_t>("amount"),
                                                   entry.number<std::uint64_t>("warn"),
                                                   entry.number<std::uint64_t>("period_ns"),
                                                   action_named(entry.text("on_warn")),
                                                   action_named(entry.text("on_exceed"))}});
    return all;
}

Json plans_to_json(const std::vector<PlanWanted>& all) {
    Json json = Json::array();
    for (const PlanWanted& one : all)
        if (one.bounds)
            json.push_back({{"resource", plan_resource_name(one.resource)},
                            {"least", one.bounds->least},
                            {"most", one.bounds->most}});
    return json;
}

std::vector<PlanWanted> plans_from_json(const std::vector<JsonReader>& json) {
    std::vector<PlanWanted> all;
    for (const JsonReader& entry : json)
        for (unsigned resource = 0; resource < BH_PLAN_COUNT; ++resource)
            if (entry.text("resource") == plan_resource_name(resource))
                all.push_back({static_cast<bh_plan_resource>(resource),
                               PlanBounds{entry.number<std::uint64_t>("least"),
                                          entry.number<std::uint64_t>("most")}});
    return all;
}

Json process_to_json(const ProcessSpec& process) {
    Json json = Json::object();
    json["argv"] = process.argv;
    json["env"] = process.env;
    json["workdir"] = process.workdir;
    json["user"] = process.user;
    json["terminal"] = process.terminal == TerminalKind::kTerminal;
    json["init"] = process.init == InitKind::kReaper;
    return json;
}

ProcessSpec process_from_json(const JsonReader& json) {
    ProcessSpec process;
    process.argv = json.texts("argv");
    process.env = json.texts("env");
    process.workdir = json.text("workdir");
    process.user = json.text("user");
    process.terminal = json.truth("terminal") ? TerminalKind::kTerminal : TerminalKind::kNone;
    process.init = json.truth("init") ? InitKind::kReaper : InitKind::kPayload;
    return process;
}

Json mounts_to_json(const std::vector<BindMount>& mounts) {
    Json json = Json::array();
    for (const BindMount& mount : mounts)
        json.push_back({{"source", mount.source},
                        {"destination", mount.destination},
                        {"read_only", mount.access == MountAccess::kReadOnly}});
    return json;
}

std::vector<BindMount> mounts_from_json(const std::vector<JsonReader>& json) {
    std::vector<BindMount> mounts;
    mounts.reserve(json.size());
    for (const JsonReader& entry : json)
        mounts.push_back(
            {entry.text("source"), entry.text("destination"),
             entry.truth("read_only") ? MountAccess::kReadOnly : MountAccess::kReadWrite});
    return mounts;
}

Json spec_to_json(const EnvironmentSpec& spec) {
    Json json = Json::object();
    json["name"] = spec.name;
    json["hostname"] = spec.hostname;
    json["root"]["kind"] = spec.root.kind == RootKind::kRootfs ? "rootfs" : "template";
    json["root"]["path"] = spec.root.path;
    json["mounts"] = mounts_to_json(spec.mounts);
    json["tmpfs"] = spec.tmpfs;
    json["limits"] = limits_to_json(spec.limits);
    json["beancounters"] = bounds_to_json(spec.beancounters);
    json["budgets"] = budgets_to_json(spec.budgets);
    json["plans"] = plans_to_json(spec.plans);
    json["network"] = spec.network == NetworkKind::kHost ? "host" : "none";
    json["process"] = process_to_json(spec.process);
    json["keep"] = spec.afterlife == Afterlife::kKeep;
    json["best_effort"] = spec.strictness == Strictness::kBestEffort;
    json["control"] = spec.policy.rules.control;
    json["policy"] = spec.policy.name;
    json["receipt"] = spec.receipt_path;
    json["learned"] = spec.learned_path;
    json["adopted_cgroup"] = spec.adopted_cgroup;
    return json;
}

EnvironmentSpec spec_from_json(const JsonReader& json) {
    EnvironmentSpec spec;
    spec.name = json.text("name");
    spec.hostname = json.text("hostname");
    const JsonReader root = json.object("root");
    spec.root.kind = root.text("kind") == "rootfs" ? RootKind::kRootfs : RootKind::kTemplate;
    spec.root.path = root.text("path");
    spec.mounts = mounts_from_json(json.objects("mounts"));
    spec.tmpfs = json.texts("tmpfs");
    spec.limits = limits_from_json(json.object("limits"));
    spec.beancounters = bounds_from_json(json.objects("beancounters"));
    spec.budgets = budgets_from_json(json.objects("budgets"));
    spec.plans = plans_from_json(json.objects("plans"));
    spec.network = json.text("network") == "host" ? NetworkKind::kHost : NetworkKind::kNone;
    spec.process = process_from_json(json.object("process"));
    spec.afterlife = json.truth("keep") ? Afterlife::kKeep : Afterlife::kRemove;
    spec.strictness = json.truth("best_effort") ? Strictness::kBestEffort : Strictness::kStrict;
    spec.policy.rules.control = json.number<std::uint64_t>("control");
    spec.policy.name = json.text("policy");
    spec.receipt_path = json.text("receipt");
    spec.learned_path = json.text("learned");
    spec.adopted_cgroup = json.text("adopted_cgroup");
    return spec;
}

}  // namespace

std::string to_json(const EnvironmentState& state) {
    Json json = Json::object();
    json["format"] = kFormatVersion;
    json["spec"] = spec_to_json(state.spec);
    json["slot"] = state.label.slot;
    json["serial"] = state.label.serial;
    json["pid"] = state.pid;
    json["started_ns"] = state.started_ns;
    json["started_at"] = state.started_at;
    json["start_cost_ns"] = state.start_cost_ns;
    return json.compact() + "\n";
}

Result<EnvironmentState> state_from_json(const std::string& text) {
    BULKHEAD_TRY_VALUE(document, Json::parse(text));
    std::string wrong;
    const JsonReader json(document, wrong);
    if (json.number<int>("format") != kFormatVersion && wrong.empty())
        return fail(Error(EINVAL, "written by another version of bulkhead"));
    EnvironmentState state;
    state.spec = spec_from_json(json.object("spec"));
    state.label.slot = json.number<std::uint32_t>("slot");
    state.label.serial = json.number<std::uint32_t>("serial");
    state.pid = json.number<std::int32_t>("pid");
    state.started_ns = json.number<std::uint64_t>("started_ns");
    state.started_at = json.text("started_at");
    state.start_cost_ns = json.number<std::uint64_t>("start_cost_ns");
    if (!wrong.empty())
        return fail(Error(0, wrong));
    return state;
}

}  // namespace bulkhead::runtime
