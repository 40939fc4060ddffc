#include "runtime/receipts.h"

#include <cerrno>
#include <ctime>
#include <utility>
#include <vector>

#include "loader/meters.h"
#include "runtime/clock.h"
#include "runtime/receipt.h"
#include "runtime/remains.h"

namespace bulkhead::runtime {
namespace {

std::uint64_t boot_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Result<ledger::Ended> ended_as(const loader::Environments& environments,
                               const loader::MeterReading& reading, ledger::Exactness exactness) {
    BULKHEAD_TRY_VALUE(boot, ledger::boot_id());
    const std::uint64_t exited_ns = reading.state.exited_ns;
    return ledger::Ended{.life = {std::move(boot), environments.loaded_ns(), reading.label.serial},
                         .boot_unix_ns = unix_ns_of_boot_ns(0),
                         .ended_boot_ns = exited_ns != 0 ? exited_ns : boot_now_ns(),
                         .exactness = exactness,
                         .reading = reading};
}

// At most two rounds: what somebody was killed over, and what is pending.
constexpr int kRounds = 2;

}  // namespace

Status store_final(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                   const EnvironmentSpec& spec) {
    const std::string directory = ledger::directory();
    const bool is_kept = ledger::is_kept(directory);
    if (!is_kept && spec.receipt_path.empty())
        return {};
    auto reading = loader::read_final(environments, label, cgroup.fd());
    if (!reading && reading.error().code() == ESTALE)
        return {};
    if (!reading)
        return fail(std::move(reading).error());
    BULKHEAD_TRY_VALUE(ended, ended_as(environments, *reading, ledger::Exactness::kExact));
    if (is_kept)
        BULKHEAD_TRY(ledger::append(directory, ended));
    return spec.receipt_path.empty() ? Status{}
                                     : write_receipt(receipt_of(ended), spec.receipt_path);
}

Status store_last_read(const loader::Environments& environments, bh_label label) {
    if (!ledger::is_kept(ledger::directory()))
        return {};
    auto reading = loader::read_last(environments, label);
    if (!reading && reading.error().code() == ESTALE)
        return {};
    if (!reading)
        return fail(std::move(reading).error());
    BULKHEAD_TRY_VALUE(ended, ended_as(environments, *reading, ledger::Exactness::kLastRead));
    return ledger::append(ledger::directory(), ended);
}

ledger::Entry to_entry(const ledger::Ended& ended) {
    const Receipt receipt = receipt_of(ended);
    return {.life = ended.life,
            .environment = receipt.usage.environment,
            .started_unix_ns = receipt.usage.started_unix_ns,
            .until_unix_ns = receipt.ended_unix_ns,
            .document = to_json(receipt)};
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
        if (!entries.empty()) {
            BULKHEAD_TRY_VALUE(stored, ledger.store(entries));
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
