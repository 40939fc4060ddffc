// bulkhead bill: what environments used in a period, at the prices of a file.
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"

namespace bulkhead::cli {
namespace {

Action declare(OptionSet& set) {
    auto options = std::make_shared<BillOptions>();
    set.value("--prices", options->prices, "a TOML file (docs/metering.md)").required();
    set.value("--period", options->period,
              "2026, 2026-11, 2026-11-24 or 2026-W48 (UTC), or FROM/TO of two moments")
        .required();
    const Option json = set.flag("--json", options->json, "print JSON");
    set.flag("--csv", options->csv, "print CSV").excludes(json);
    return [options](const Payload&) { return bill(*options); };
}

}  // namespace

const Command kBill = {"bill", "what environments used in a period, and what it costs",
                       ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
