// environment.json: the specification and what came of it.
#include <cerrno>

#include <nlohmann/json.hpp>

#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

// Filled key by key: an initializer list of pairs is copied twice on its way to an object, and this
// is written in every start.
using Json = nlohmann::json;

constexpr int kFormatVersion = 1;

template <typename Number>
void put(Json& json, const char* key, const std::optional<Number>& value) {
    if (value)
        json[key] = *value;
}

template <typename Number>
void get(const Json& json, const char* key, std::optional<Number>& value) {
    if (json.contains(key))
        value = json.at(key).get<Number>();
}

Json limits_to_json(const Limits& limits) {
    Json json = Json::object();
    put(json, "memory_bytes", limits.memory_bytes);
    put(json, "swap_bytes", limits.swap_bytes);
    put(json, "cpu_milli", limits.cpu_milli);
    put(json, "cpu_weight", limits.cpu_weight);
    put(json, "io_weight", limits.io_weight);
    put(json, "pids", limits.pids);
    return json;
}

Limits limits_from_json(const Json& json) {
    Limits limits;
    get(json, "memory_bytes", limits.memory_bytes);
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

std::vector<BeancounterBounds> bounds_from_json(const Json& json) {
    std::vector<BeancounterBounds> all;
    for (const Json& entry : json)
        for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter)
            if (entry.at("name") == loader::beancounter_name(counter))
                all.push_back({static_cast<bh_beancounter_id>(counter),
                               {entry.at("barrier").get<std::uint64_t>(),
                                entry.at("limit").get<std::uint64_t>()}});
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

bh_budget_action action_named(const Json& name) {
    for (unsigned action = 0; action < BH_ON_COUNT; ++action)
        if (name == action_name(action))
            return static_cast<bh_budget_action>(action);
    return BH_ON_REFUSE;
}

std::vector<BudgetWanted> budgets_from_json(const Json& json) {
    std::vector<BudgetWanted> all;
    for (const Json& entry : json)
        for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind)
            if (entry.at("name") == loader::budget_name(kind))
                all.push_back({static_cast<bh_budget_kind>(kind),
                               loader::BudgetTerms{entry.at("amount").get<std::uint64_t>(),
                                                   entry.at("warn").get<std::uint64_t>(),
                                                   entry.at("period_ns").get<std::uint64_t>(),
                                                   action_named(entry.at("on_warn")),
                                                   action_named(entry.at("on_exceed"))}});
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

ProcessSpec process_from_json(const Json& json) {
    ProcessSpec process;
    json.at("argv").get_to(process.argv);
    json.at("env").get_to(process.env);
    json.at("workdir").get_to(process.workdir);
    json.at("user").get_to(process.user);
    process.terminal =
        json.at("terminal").get<bool>() ? TerminalKind::kTerminal : TerminalKind::kNone;
    process.init = json.at("init").get<bool>() ? InitKind::kReaper : InitKind::kPayload;
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

std::vector<BindMount> mounts_from_json(const Json& json) {
    std::vector<BindMount> mounts;
    for (const Json& entry : json)
        mounts.push_back(
            {entry.at("source").get<std::string>(), entry.at("destination").get<std::string>(),
             entry.at("read_only").get<bool>() ? MountAccess::kReadOnly : MountAccess::kReadWrite});
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

EnvironmentSpec spec_from_json(const Json& json) {
    EnvironmentSpec spec;
    json.at("name").get_to(spec.name);
    json.at("hostname").get_to(spec.hostname);
    const Json& root = json.at("root");
    spec.root.kind = root.at("kind") == "rootfs" ? RootKind::kRootfs : RootKind::kTemplate;
    root.at("path").get_to(spec.root.path);
    spec.mounts = mounts_from_json(json.at("mounts"));
    json.at("tmpfs").get_to(spec.tmpfs);
    spec.limits = limits_from_json(json.at("limits"));
    spec.beancounters = bounds_from_json(json.at("beancounters"));
    spec.budgets = budgets_from_json(json.at("budgets"));
    spec.network = json.at("network") == "host" ? NetworkKind::kHost : NetworkKind::kNone;
    spec.process = process_from_json(json.at("process"));
    spec.afterlife = json.at("keep").get<bool>() ? Afterlife::kKeep : Afterlife::kRemove;
    spec.strictness =
        json.at("best_effort").get<bool>() ? Strictness::kBestEffort : Strictness::kStrict;
    json.at("control").get_to(spec.policy.rules.control);
    json.at("policy").get_to(spec.policy.name);
    json.at("receipt").get_to(spec.receipt_path);
    json.at("learned").get_to(spec.learned_path);
    json.at("adopted_cgroup").get_to(spec.adopted_cgroup);
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
    return json.dump() + "\n";
}

Result<EnvironmentState> state_from_json(const std::string& text) {
    try {
        const Json json = Json::parse(text);
        if (json.at("format") != kFormatVersion)
            return fail(Error(EINVAL, "written by another version of bulkhead"));
        EnvironmentState state;
        state.spec = spec_from_json(json.at("spec"));
        json.at("slot").get_to(state.label.slot);
        json.at("serial").get_to(state.label.serial);
        json.at("pid").get_to(state.pid);
        json.at("started_ns").get_to(state.started_ns);
        json.at("started_at").get_to(state.started_at);
        json.at("start_cost_ns").get_to(state.start_cost_ns);
        return state;
    } catch (const Json::exception& error) {
        return fail(Error(0, error.what()));
    }
}

}  // namespace bulkhead::runtime
