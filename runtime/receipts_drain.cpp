#include "runtime/receipts_drain.h"

#include <utility>
#include <vector>

#include "loader/environments.h"
#include "runtime/exec_usage.h"
#include "runtime/receipt.h"
#include "runtime/remains.h"

namespace bulkhead::runtime {
namespace {

// At most two rounds: what somebody was killed over, and what is pending.
constexpr int kRounds = 2;

}  // namespace

ledger::Entry to_entry(const ledger::Ended& ended) {
    const Receipt receipt = receipt_of(ended);
    return {.life = ended.life,
            .environment = receipt.usage.environment,
            .started_unix_ns = receipt.usage.started_unix_ns,
            .until_unix_ns = receipt.ended_unix_ns,
            .document = to_json(receipt)};
}

ledger::ExecEntry to_entry(const ledger::EndedExec& ended) {
    const ExecUsage usage = exec_usage_of(ended);
    return {.number = ended.number,
            .receipt = {.life = ended.life,
                        .environment = usage.environment,
                        .started_unix_ns = usage.started_unix_ns,
                        .until_unix_ns = usage.ended_unix_ns,
                        .document = receipt_json(usage)}};
}

Result<Drained> drain(ledger::Ledger& ledger, const std::string& directory) {
    Drained drained;
    for (int round = 0; round < kRounds && ledger::has_pending(directory); ++round) {
        auto taken = ledger::Taken::take(directory);
        if (!taken)
            return fail(std::move(taken).error());
        std::vector<ledger::Entry> entries;
        entries.reserve(taken->readings().size());
        for (const ledger::Ended& ended : taken->readings())
            entries.push_back(to_entry(ended));
        std::vector<ledger::ExecEntry> execs;
        for (const ledger::EndedExec& ended : taken->execs())
            execs.push_back(to_entry(ended));
        if (!entries.empty() || !execs.empty()) {
            BULKHEAD_TRY_VALUE(stored, ledger.store(entries, execs));
            drained.stored += stored;
        }
        drained.foreign = taken->foreign();
        BULKHEAD_TRY(taken->done());
    }
    return drained;
}

Result<DrainedLedger> open_drained_ledger() {
    if (auto environments = loader::Environments::open())
        sweep(*environments);
    const std::string directory = ledger::directory();
    auto ledger = ledger::Ledger::open(directory);
    if (!ledger)
        return fail(std::move(ledger).error());
    BULKHEAD_TRY_VALUE(drained, drain(*ledger, directory));
    return DrainedLedger{std::move(*ledger), drained.foreign};
}

std::string note_of_foreign(std::size_t foreign) {
    if (foreign == 0)
        return "";
    return std::to_string(foreign) + " receipts in " + ledger::directory() +
           "/pending were left by another version of bulkhead; `bulkhead receipts` of that version "
           "stores them";
}

}  // namespace bulkhead::runtime
