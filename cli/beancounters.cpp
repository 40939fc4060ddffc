// bulkhead beancounters: what an environment has of the kernel, and its bounds.
#include "runtime/beancounters.h"

#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool json = false;
};

Result<int> print(const Options& options) {
    BULKHEAD_TRY_VALUE(counters, runtime::read_beancounters(options.name));
    if (options.json)
        std::puts(runtime::to_json(counters).indented().c_str());
    else
        std::fputs(runtime::to_text(counters).c_str(), stdout);
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return print(*options); };
}

}  // namespace

const Command kBeancounters = {"beancounters", "show an environment's bounds on kernel objects",
                               ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
