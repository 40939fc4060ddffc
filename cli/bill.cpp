// bulkhead bill: what environments used in a period, at the prices of a file.
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"

namespace bulkhead::cli {
namespace {

Action declare(CLI::App& app) {
    auto options = std::make_shared<BillOptions>();
    app.add_option("--prices", options->prices, "a TOML file (docs/metering.md)")->required();
    app.add_option("--period", options->period,
                   "2026, 2026-11, 2026-11-24 or 2026-W48 (UTC), or FROM/TO of two moments")
        ->required();
    auto* json = app.add_flag("--json", options->json, "print JSON");
    app.add_flag("--csv", options->csv, "print CSV")->excludes(json);
    return [options](const Payload&) { return bill(*options); };
}

}  // namespace

const Command kBill = {"bill", "what environments used in a period, and what it costs",
                       ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
