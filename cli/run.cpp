// bulkhead run: builds an environment and runs a command as its first process.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/limit_options.h"
#include "cli/process_options.h"
#include "runtime/foreground.h"
#include "runtime/policy/policy.h"
#include "runtime/spec.h"
#include "runtime/supervise.h"

namespace bulkhead::cli {
namespace {

struct Options {
    ProcessOptions process;
    std::string name;
    std::string hostname;
    std::string template_name{runtime::kHostTemplate};
    std::string rootfs;
    std::vector<std::string> mounts;
    std::vector<std::string> tmpfs;
    std::vector<std::string> beancounters;
    std::vector<std::string> budgets;
    std::vector<std::string> plans;
    LimitOptions limits;
    std::string network = "none";
    std::string policy = "default";
    std::string receipt;
    std::string learned;
    bool init = false, detach = false, remove = false, keep = false, best_effort = false;
};

// Which options to declare. On a command line that names only options of the root and of limits,
// those that it names are enough; whatever else stands there is for the whole set to take or to
// refuse.
class Wanted {
public:
    explicit Wanted(std::span<char* const> words) : words_(words) {
        all_ = !std::all_of(words.begin(), words.end(), [](std::string_view word) {
            return !word.starts_with('-') || std::find(kRootAndLimits.begin(), kRootAndLimits.end(),
                                                       name_in(word)) != kRootAndLimits.end();
        });
    }

    [[nodiscard]] bool all() const { return all_; }

    [[nodiscard]] bool operator()(std::string_view option) const {
        return all_ || std::any_of(words_.begin(), words_.end(),
                                   [=](std::string_view word) { return name_in(word) == option; });
    }

private:
    static constexpr std::array<std::string_view, 15> kRootAndLimits = {
        "--template",   "--rootfs",     "--mount", "--tmpfs",  "--memory",
        "--memory-min", "--memory-low", "--swap",  "--cpus",   "--cpu-weight",
        "--io-weight",  "--pids",       "--plan",  "--budget", "--beancounter"};

    static std::string_view name_in(std::string_view word) {
        return word.substr(0, word.find('='));
    }

    std::span<char* const> words_;
    bool all_;
};

// The option, if it is wanted.
template <typename Value>
std::optional<Option> declare_in(OptionSet& set, const char* group, const Wanted& wanted,
                                 const char* name, Value& variable, const char* help) {
    if (!wanted(name))
        return std::nullopt;
    return set.value(name, variable, help).group(group);
}

void declare_limits(OptionSet& set, Options& options, const Wanted& wanted) {
    const auto limit = [&](const char* name, auto& value, const char* help) {
        declare_in(set, "Limits", wanted, name, value, help);
    };
    limit("--memory", options.limits.memory, "limit, such as 512M");
    limit("--memory-min", options.limits.memory_min, "guaranteed: not taken from it for others");
    limit("--memory-low", options.limits.memory_low,
          "guaranteed as long as others have any to give");
    limit("--swap", options.limits.swap, "limit of swap, such as 0 or 1G");
    limit("--cpus", options.limits.cpus, "limit of CPU time, such as 0.5");
    limit("--cpu-weight", options.limits.cpu_weight, "share under contention, 1 to 10000");
    limit("--io-weight", options.limits.io_weight, "share of block I/O, 1 to 10000");
    limit("--pids", options.limits.pids, "limit of processes and threads");
    limit("--plan", options.plans,
          "memory=LEAST..MOST or cpus=LEAST..MOST: the agent moves the limit; repeatable");
    limit("--beancounter", options.beancounters,
          "NAME=BARRIER:LIMIT, such as numfile=900:1000; repeatable");
    limit("--budget", options.budgets,
          "KIND=AMOUNT/PERIOD, such as egress=10G/1d,warn=80%; repeatable");
}

void declare_root(OptionSet& set, Options& options, const Wanted& wanted) {
    const auto root = [&](const char* name, auto& value, const char* help) {
        return declare_in(set, "Root", wanted, name, value, help);
    };
    const auto from_template =
        root("--template", options.template_name,
             "\"host\" (the default) or a directory, read-only under an own layer");
    auto rootfs = root("--rootfs", options.rootfs, "a directory, used as it is");
    if (from_template && rootfs)
        rootfs->excludes(*from_template);
    root("--mount", options.mounts, "SOURCE:DESTINATION[:ro]; repeatable");
    root("--tmpfs", options.tmpfs, "an empty file system in memory; repeatable");
}

void declare_life(OptionSet& set, Options& options) {
    set.value("--name", options.name, "name; made up by default");
    set.value("--hostname", options.hostname, "host name; the name by default");
    set.flag("--init", options.init, "a minimal init is pid 1 and reaps");
    const Option detach = set.flag("-d,--detach", options.detach, "leave it running");
    set.flag("--rm", options.remove, "remove it when it ends, also when detached");
    set.flag("--keep", options.keep,
             "keep record and written files (/var/lib/bulkhead/NAME/upper) when it ends");
    set.value("--receipt", options.receipt, "write the final usage to this file as JSON");
    set.value("--network", options.network, "none (the default): only loopback; host: the host's")
        .one_of({"none", "host"});
    set.value("--policy", options.policy, "a profile (default or audit) or a TOML file");
    set.value("--learn", options.learned,
              "learn, and write the policy that this run needs to this file when it ends");
    set.flag("--best-effort", options.best_effort,
             "leave out what this machine cannot do; shown in status");
    set.find("--tty").excludes(detach);
    set.find("--rm").excludes(set.find("--keep"));
}

runtime::Afterlife afterlife_of(const Options& options) {
    const bool keep = options.keep || (options.detach && !options.remove);
    return keep ? runtime::Afterlife::kKeep : runtime::Afterlife::kRemove;
}

Status take_policy(const Options& options, runtime::PolicySpec& spec) {
    const bool by_default = !options.learned.empty() && options.policy == "default";
    const std::string name = by_default ? "learn" : options.policy;
    BULKHEAD_TRY_VALUE(policy, policy::load_enforced(name));
    if (!options.learned.empty() && policy.rules.policy.learned == 0)
        return fail(Error(0, "--learn: the policy " + name + " does not learn", Fault::kUsage)
                        .advise("leave --policy out, or write mode = \"learn\" into it"));
    spec = {std::move(policy.rules), name, std::move(policy.sources)};
    return {};
}

Result<runtime::EnvironmentSpec> spec_of(const OptionSet& set, const Options& options,
                                         const Payload& payload) {
    runtime::EnvironmentSpec spec;
    spec.name = set.was_given("--name") ? options.name : runtime::generate_name();
    spec.hostname = options.hostname;
    if (options.rootfs.empty())
        spec.root = {runtime::RootKind::kTemplate, options.template_name};
    else
        spec.root = {runtime::RootKind::kRootfs, options.rootfs};
    for (const std::string& text : options.mounts) {
        BULKHEAD_TRY_VALUE(mount, runtime::parse_mount(text));
        spec.mounts.push_back(mount);
    }
    spec.tmpfs = options.tmpfs;
    BULKHEAD_TRY_VALUE(limits, limits_of(options.limits, Lifting::kRefused));
    spec.limits = limits;
    for (const std::string& text : options.beancounters) {
        BULKHEAD_TRY_VALUE(wanted, runtime::parse_bounds(text));
        spec.beancounters.push_back(wanted);
    }
    BULKHEAD_TRY_VALUE(budgets, runtime::parse_budgets(options.budgets));
    spec.budgets = std::move(budgets);
    BULKHEAD_TRY_VALUE(plans, runtime::parse_plans(options.plans));
    spec.plans = std::move(plans);
    spec.network =
        options.network == "host" ? runtime::NetworkKind::kHost : runtime::NetworkKind::kNone;
    spec.process = options.process.to_spec(payload);
    spec.process.init = options.init ? runtime::InitKind::kReaper : runtime::InitKind::kPayload;
    spec.afterlife = afterlife_of(options);
    spec.strictness =
        options.best_effort ? runtime::Strictness::kBestEffort : runtime::Strictness::kStrict;
    BULKHEAD_TRY(take_policy(options, spec.policy));
    // Whoever writes it at the end may be another command, in another directory.
    if (!options.learned.empty())
        spec.learned_path = std::filesystem::absolute(options.learned);
    if (!options.receipt.empty())
        spec.receipt_path = std::filesystem::absolute(options.receipt);
    return spec;
}

Result<int> run(const OptionSet& set, const Options& options, const Payload& payload) {
    BULKHEAD_TRY_VALUE(spec, spec_of(set, options, payload));
    const auto output =
        options.detach ? runtime::OutputKind::kStateFile : runtime::OutputKind::kInherited;
    auto stdio = PreparedStdio::prepare(options.process, output);
    if (!stdio)
        return fail(std::move(stdio).error());
    const runtime::BlockedSignals signals;
    auto started = runtime::start(spec, stdio->stdio());
    if (!started)
        return report_failure("run", started.error());
    if (options.detach) {
        std::puts(spec.name.c_str());
        return 0;
    }
    return runtime::mind_until_end(std::move(*started), signals);
}

Action declare_for(OptionSet& set, std::span<char* const> words) {
    auto options = std::make_shared<Options>();
    const Wanted wanted(words);
    if (wanted.all()) {
        options->process.declare(set);
        declare_life(set, *options);
    }
    declare_root(set, *options, wanted);
    declare_limits(set, *options, wanted);
    set.footer(
        "The command and its arguments stand after --:\n  bulkhead run [options] -- COMMAND…");
    return [&set, options](const Payload& payload) { return run(set, *options, payload); };
}

Action declare(OptionSet& set) {
    std::string help = "--help";
    std::array<char*, 1> words = {help.data()};
    return declare_for(set, words);
}

}  // namespace

const Command kRun = {"run", "build an environment and run a command in it", ExitCodes::kPayload,
                      declare, declare_for};

}  // namespace bulkhead::cli
