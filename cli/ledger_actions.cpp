#include "cli/ledger_actions.h"

#include <cstdio>

#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/ledger/bill.h"
#include "runtime/ledger/instant.h"
#include "runtime/receipts_drain.h"
#include "runtime/receipts_render.h"
#include "runtime/running.h"

namespace bulkhead::cli {
namespace {

Result<ledger::Filter> filter_of(const ReceiptsOptions& options) {
    ledger::Filter filter{.environment = options.name, .since_unix_ns = {}, .until_unix_ns = {}};
    const std::uint64_t now = runtime::unix_now_ns();
    if (!options.since.empty()) {
        BULKHEAD_TRY_VALUE(since, ledger::parse_instant(options.since, now));
        filter.since_unix_ns = since;
    }
    if (!options.until.empty()) {
        BULKHEAD_TRY_VALUE(until, ledger::parse_instant(options.until, now));
        filter.until_unix_ns = until;
    }
    return filter;
}

Result<int> receipts_of_period(const ReceiptsOptions& options) {
    if (!options.since.empty() || !options.until.empty())
        return fail_usage("--period is instead of --since and --until");
    BULKHEAD_TRY_VALUE(period, ledger::parse_period(options.period, runtime::unix_now_ns()));
    BULKHEAD_TRY_VALUE(made, runtime::bill_for(period, ledger::unpriced()));
    if (const std::string note = runtime::note_of_foreign(made.foreign); !note.empty())
        std::fprintf(stderr, "bulkhead receipts: %s\n", note.c_str());
    ledger::Bill& used = made.bill;
    std::erase_if(used.lines, [&](const ledger::BillLine& line) {
        return !options.name.empty() && line.environment != options.name;
    });
    if (options.json)
        std::puts(ledger::period_json(used).indented().c_str());
    else
        std::fputs((options.csv ? ledger::period_csv(used) : ledger::period_text(used)).c_str(),
                   stdout);
    return 0;
}

}  // namespace

Result<int> receipts(const ReceiptsOptions& options) {
    if (!options.period.empty())
        return receipts_of_period(options);
    BULKHEAD_TRY_VALUE(filter, filter_of(options));
    auto opened = runtime::open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    if (const std::string note = runtime::note_of_foreign(opened->foreign); !note.empty())
        std::fprintf(stderr, "bulkhead receipts: %s\n", note.c_str());
    BULKHEAD_TRY_VALUE(found, options.execs ? opened->ledger.exec_receipts(filter)
                                            : opened->ledger.receipts(filter));
    if (options.json)
        std::puts(runtime::receipts_json(found).indented().c_str());
    else if (options.csv)
        std::fputs(runtime::receipts_csv(found).c_str(), stdout);
    else
        std::fputs(
            (options.execs ? runtime::exec_receipts_text(found) : runtime::receipts_text(found))
                .c_str(),
            stdout);
    return 0;
}

Result<int> bill(const BillOptions& options) {
    BULKHEAD_TRY_VALUE(period, ledger::parse_period(options.period, runtime::unix_now_ns()));
    BULKHEAD_TRY_VALUE(prices, ledger::load_prices(options.prices));
    BULKHEAD_TRY_VALUE(made, runtime::bill_for(period, std::move(prices)));
    if (const std::string note = runtime::note_of_foreign(made.foreign); !note.empty())
        std::fprintf(stderr, "bulkhead bill: %s\n", note.c_str());
    const ledger::Bill& bill = made.bill;
    if (options.json)
        std::puts(ledger::bill_json(bill).indented().c_str());
    else
        std::fputs((options.csv ? ledger::bill_csv(bill) : ledger::bill_text(bill)).c_str(),
                   stdout);
    return 0;
}

Result<int> unload(const UnloadOptions& options) {
    // What cannot be stored now waits.
    return unload_and_tell(options, [] { (void)runtime::open_drained_ledger(); });
}

}  // namespace bulkhead::cli
