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

void tell_of_foreign(const char* command, std::size_t foreign) {
    if (const std::string note = runtime::note_of_foreign(foreign); !note.empty())
        std::fprintf(stderr, "bulkhead %s: %s\n", command, note.c_str());
}

// In the form that was asked for.
template <typename Options, typename ToJson, typename ToCsv, typename ToText>
int print(const Options& options, const ToJson& to_json, const ToCsv& to_csv,
          const ToText& to_text) {
    const std::string text = options.json  ? to_json().indented() + "\n"
                             : options.csv ? to_csv()
                                           : to_text();
    std::fputs(text.c_str(), stdout);
    return 0;
}

Result<int> receipts_of_period(const ReceiptsOptions& options) {
    if (!options.since.empty() || !options.until.empty())
        return fail_usage("--period is instead of --since and --until");
    BULKHEAD_TRY_VALUE(period, ledger::parse_period(options.period, runtime::unix_now_ns()));
    BULKHEAD_TRY_VALUE(made, runtime::bill_for(period, ledger::unpriced()));
    tell_of_foreign("receipts", made.foreign);
    ledger::Bill& used = made.bill;
    std::erase_if(used.lines, [&](const ledger::BillLine& line) {
        return !options.name.empty() && line.environment != options.name;
    });
    return print(
        options, [&] { return ledger::period_json(used); },
        [&] { return ledger::period_csv(used); }, [&] { return ledger::period_text(used); });
}

}  // namespace

Result<int> receipts(const ReceiptsOptions& options) {
    if (!options.period.empty())
        return receipts_of_period(options);
    BULKHEAD_TRY_VALUE(filter, filter_of(options));
    auto opened = runtime::open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    tell_of_foreign("receipts", opened->foreign);
    BULKHEAD_TRY_VALUE(found, options.execs ? opened->ledger.exec_receipts(filter)
                                            : opened->ledger.receipts(filter));
    return print(
        options, [&] { return runtime::receipts_json(found); },
        [&] { return runtime::receipts_csv(found); },
        [&] {
            return options.execs ? runtime::exec_receipts_text(found)
                                 : runtime::receipts_text(found);
        });
}

Result<int> bill(const BillOptions& options) {
    BULKHEAD_TRY_VALUE(period, ledger::parse_period(options.period, runtime::unix_now_ns()));
    BULKHEAD_TRY_VALUE(prices, ledger::load_prices(options.prices));
    BULKHEAD_TRY_VALUE(made, runtime::bill_for(period, std::move(prices)));
    tell_of_foreign("bill", made.foreign);
    const ledger::Bill& bill = made.bill;
    return print(
        options, [&] { return ledger::bill_json(bill); }, [&] { return ledger::bill_csv(bill); },
        [&] { return ledger::bill_text(bill); });
}

Result<int> unload(const UnloadOptions& options) {
    // What cannot be stored now waits.
    return unload_and_tell(options, [] { (void)runtime::open_drained_ledger(); });
}

}  // namespace bulkhead::cli
