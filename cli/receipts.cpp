// bulkhead receipts: what ended environments used, from the ledger.
#include <memory>

#include "cli/commands.h"
#include "cli/ledger_actions.h"

namespace bulkhead::cli {
namespace {

Action declare(OptionSet& set) {
    auto options = std::make_shared<ReceiptsOptions>();
    set.value("NAME", options->name, "of environments of this name; of all without it");
    set.value("--since", options->since,
              "that ended then or later: 2026-11-24, 2026-11-24T10:00:00Z, or 36h ago as 36h");
    set.value("--until", options->until, "that ended before");
    const Option execs = set.flag("--execs", options->execs,
                                  "of commands of exec, which environments' receipts include");
    set.value("--period", options->period,
              "what was used in 2026, 2026-11, 2026-11-24 or 2026-W48 (UTC), or FROM/TO of two "
              "moments, by what runs, too")
        .excludes(execs);
    const Option json = set.flag("--json", options->json, "print JSON");
    set.flag("--csv", options->csv, "print CSV").excludes(json);
    return [options](const Payload&) { return receipts(*options); };
}

}  // namespace

const Command kReceipts = {"receipts", "show what ended environments used", ExitCodes::kOwn,
                           declare};

}  // namespace bulkhead::cli
