// bulkhead release: takes the fence off what was adopted.
#include <memory>

#include "cli/commands.h"
#include "cli/outcome.h"
#include "runtime/adopt.h"

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
        BULKHEAD_TRY(runtime::release(options->name));
        if (options->json)
            print_outcome(options->name, "released");
        return 0;
    };
}

}  // namespace

const Command kRelease = {"release", "let go of what was adopted; it runs on", ExitCodes::kOwn,
                          declare};

}  // namespace bulkhead::cli
