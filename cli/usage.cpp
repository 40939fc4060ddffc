// bulkhead usage: what one environment used, or all of them.
#include "runtime/usage.h"

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/cgroup.h"
#include "runtime/execs.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool execs = false;
    bool json = false;
};

Result<int> print_one(const Options& options) {
    BULKHEAD_TRY_VALUE(usage, runtime::read_usage_of(options.name));
    std::vector<runtime::ExecUsage> execs;
    if (options.execs) {
        BULKHEAD_TRY_VALUE(running, runtime::read_execs_of(options.name));
        execs = std::move(running);
    }
    if (!options.json) {
        std::fputs(runtime::to_text(usage).c_str(), stdout);
        for (const runtime::ExecUsage& exec : execs)
            std::fputs(runtime::to_text(exec).c_str(), stdout);
        return 0;
    }
    Json document = runtime::to_json(usage);
    if (options.execs) {
        Json& array = document["execs"] = Json::array();
        for (const runtime::ExecUsage& exec : execs)
            array.push_back(runtime::to_json(exec));
    }
    std::puts(document.indented().c_str());
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
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        if (options->execs && options->name.empty())
            return fail_usage("--execs is of one environment: give its name");
        return options->name.empty() ? print_all(*options) : print_one(*options);
    };
}

}  // namespace

const Command kUsage = {"usage", "show what environments used", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
