// bulkhead bill: what environments used in a period, at the prices of a file.
#include "runtime/ledger/bill.h"

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "runtime/clock.h"
#include "runtime/receipts.h"
#include "runtime/running.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string prices;
    std::string period;
    bool json = false;
    bool csv = false;
};

Result<int> bill(const Options& options) {
    BULKHEAD_TRY_VALUE(period, ledger::parse_period(options.period, runtime::unix_now_ns()));
    BULKHEAD_TRY_VALUE(prices, ledger::load_prices(options.prices));
    BULKHEAD_TRY_VALUE(made, runtime::bill_for(period, std::move(prices)));
    if (const std::string note = runtime::note_of_foreign(made.foreign); !note.empty())
        std::fprintf(stderr, "bulkhead bill: %s\n", note.c_str());
    const ledger::Bill& bill = made.bill;
    if (options.json)
        std::puts(ledger::bill_json(bill).dump(2).c_str());
    else
        std::fputs((options.csv ? ledger::bill_csv(bill) : ledger::bill_text(bill)).c_str(),
                   stdout);
    return 0;
}

Action declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
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
