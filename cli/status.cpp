// bulkhead status: one environment in detail.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/status_json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool json = false;
};

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        BULKHEAD_TRY_VALUE(status, runtime::environment_status(options->name));
        if (options->json)
            std::puts(status_to_json(status).indented().c_str());
        else
            std::fputs(status_to_text(status).c_str(), stdout);
        return 0;
    };
}

}  // namespace

const Command kStatus = {"status", "show one environment in detail", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
