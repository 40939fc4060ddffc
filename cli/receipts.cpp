// bulkhead receipts: what ended environments used, from the ledger.
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"

namespace bulkhead::cli {
namespace {

Action declare(CLI::App& app) {
    auto options = std::make_shared<ReceiptsOptions>();
    app.add_option("NAME", options->name, "of environments of this name; of all without it");
    app.add_option("--since", options->since,
                   "that ended then or later: 2026-11-24, 2026-11-24T10:00:00Z, or 36h ago as 36h");
    app.add_option("--until", options->until, "that ended before");
    auto* json = app.add_flag("--json", options->json, "print JSON");
    app.add_flag("--csv", options->csv, "print CSV")->excludes(json);
    return [options](const Payload&) { return receipts(*options); };
}

}  // namespace

const Command kReceipts = {"receipts", "show what ended environments used", ExitCodes::kOwn,
                           declare};

}  // namespace bulkhead::cli
