// bulkhead usage: what one environment used, or all of them.
#include "runtime/usage.h"

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/cgroup.h"
#include "runtime/execs.h"
#include "runtime/json.h"
#include "runtime/rule_usage.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool execs = false;
    bool rules = false;
    bool json = false;
};

Result<std::vector<runtime::ExecUsage>> execs_of(const Options& options) {
    if (!options.execs)
        return std::vector<runtime::ExecUsage>();
    return runtime::read_execs_of(options.name);
}

Result<int> print_one(const Options& options) {
    BULKHEAD_TRY_VALUE(usage, runtime::read_usage_of(options.name));
    BULKHEAD_TRY_VALUE(execs, execs_of(options));
    if (!options.json) {
        std::fputs(runtime::to_text(usage).c_str(), stdout);
        for (const runtime::ExecUsage& exec : execs)
            std::fputs(runtime::to_text(exec).c_str(), stdout);
        return 0;
    }
    BULKHEAD_TRY_VALUE(rules, runtime::read_rule_usage(options.name));
    Json document = runtime::to_json(usage);
    if (!rules.rules.empty())
        document["network"]["policy"] = runtime::to_json(rules);
    if (options.execs) {
        Json& array = document["execs"] = Json::array();
        for (const runtime::ExecUsage& exec : execs)
            array.push_back(runtime::to_json(exec));
    }
    std::puts(document.indented().c_str());
    return 0;
}

Result<int> print_rules(const Options& options) {
    BULKHEAD_TRY_VALUE(usage, runtime::read_rule_usage(options.name));
    if (options.json)
        std::puts(runtime::to_json(usage).indented().c_str());
    else
        std::fputs(runtime::to_text(usage).c_str(), stdout);
    return 0;
}

Result<int> print_all(const Options& options) {
    BULKHEAD_TRY_VALUE(all, runtime::read_all_usage(std::string(runtime::kEnvironmentsCgroup)));
    if (!options.json) {
        for (const runtime::Usage& usage : all)
            std::fputs(runtime::to_text(usage).c_str(), stdout);
        return 0;
    }
    Json array = Json::array();
    for (const runtime::Usage& usage : all)
        array.push_back(runtime::to_json(usage));
    std::puts(array.indented().c_str());
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment; all of them without it");
    set.flag("--execs", options->execs, "show what commands of exec that run used, too");
    set.flag("--rules", options->rules, "what went by each rule on addresses of its policy");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        if (options->name.empty() && (options->execs || options->rules))
            return fail_usage(options->execs
                                  ? "--execs is of one environment: bulkhead usage NAME --execs"
                                  : "--rules is of one environment: bulkhead usage NAME --rules");
        if (options->rules)
            return print_rules(*options);
        return options->name.empty() ? print_all(*options) : print_one(*options);
    };
}

}  // namespace

const Command kUsage = {"usage", "show what environments used", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
