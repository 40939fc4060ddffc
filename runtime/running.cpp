#include "runtime/running.h"

#include <cerrno>
#include <string>

#include "loader/environments.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/receipts_drain.h"
#include "runtime/remains.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kHourNs = 3'600'000'000'000;

Json billable_of(const Json& document) {
    Json kept = Json::object();
    for (const ledger::Quantity& quantity : ledger::quantities())
        if (const Json* count = document.find_path(quantity.path))
            kept.at_path(quantity.path) = *count;
    return kept;
}

}  // namespace

Result<std::vector<ledger::Entry>> read_running() {
    std::vector<ledger::Entry> entries;
    auto environments = loader::Environments::open();
    if (!environments && environments.error().code() == ENOENT)
        return entries;
    if (!environments)
        return fail(std::move(environments).error());
    BULKHEAD_TRY_VALUE(boot, ledger::boot_id());
    BULKHEAD_TRY_VALUE(all, read_all_usage(std::string(kEnvironmentsCgroup)));
    const std::uint64_t now_ns = unix_now_ns();
    for (const Usage& usage : all)
        entries.push_back({.life = {boot, environments->loaded_ns(), usage.serial},
                           .environment = usage.environment,
                           .started_unix_ns = usage.started_unix_ns,
                           .until_unix_ns = now_ns,
                           .document = billable_of(to_json(usage))});
    return entries;
}

Status note_hour(ledger::Ledger& ledger) {
    BULKHEAD_TRY_VALUE(last_ns, ledger.last_noted_unix_ns());
    if (last_ns / kHourNs == unix_now_ns() / kHourNs)
        return {};
    BULKHEAD_TRY_VALUE(entries, read_running());
    return entries.empty() ? Status{} : ledger.note(entries);
}

Result<MadeBill> bill_for(const ledger::Period& period, ledger::Prices prices) {
    // Read first: what ends in between is then in the ledger too, and its receipt comes before.
    BULKHEAD_TRY_VALUE(running, read_running());
    auto opened = open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    const ledger::Ledger& ledger = opened->ledger;
    BULKHEAD_TRY_VALUE(before_begin, ledger.readings_before(period.begin_unix_ns));
    BULKHEAD_TRY_VALUE(noted, ledger.readings_before(period.end_unix_ns));
    BULKHEAD_TRY_VALUE(ended, ledger.receipts({.environment = "",
                                               .since_unix_ns = period.begin_unix_ns,
                                               .until_unix_ns = period.end_unix_ns}));
    ledger::Readings readings{.before_begin = std::move(before_begin),
                              .noted = std::move(noted),
                              .ended = std::move(ended),
                              .running = {}};
    const std::uint64_t now_ns = unix_now_ns();
    if (period.begin_unix_ns <= now_ns && now_ns < period.end_unix_ns)
        readings.running = std::move(running);
    return MadeBill{ledger::make_bill(period, std::move(prices), readings), opened->foreign};
}

Status keep_ledger() {
    if (auto environments = loader::Environments::open())
        sweep(*environments);
    static std::uint64_t noted_hour = 0;
    const std::uint64_t hour = unix_now_ns() / kHourNs;
    if (!ledger::has_pending(ledger::directory()) && hour == noted_hour)
        return {};
    auto opened = open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    BULKHEAD_TRY(note_hour(opened->ledger));
    noted_hour = hour;
    return {};
}

}  // namespace bulkhead::runtime
