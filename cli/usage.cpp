// bulkhead usage: what one environment used, or all of them.
#include "runtime/usage.h"

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/cgroup.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool json = false;
};

Result<int> print_one(const Options& options) {
    BULKHEAD_TRY_VALUE(usage, runtime::read_usage_of(options.name));
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
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        return options->name.empty() ? print_all(*options) : print_one(*options);
    };
}

}  // namespace

const Command kUsage = {"usage", "show what environments used", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
