#include "runtime/receipts.h"

#include <cerrno>
#include <ctime>
#include <utility>

#include "loader/meters.h"
#include "runtime/clock.h"
#include "runtime/receipt.h"

namespace bulkhead::runtime {
namespace {

std::uint64_t boot_now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

// Of a life whose cgroup is gone: whether it was read as it went, with nobody of it left.
bool is_complete(const loader::MeterReading& reading) {
    const std::uint64_t removed_ns = reading.usage.removed_ns;
    return removed_ns != 0 && reading.state.exited_ns <= removed_ns;
}

std::uint64_t ended_ns(const loader::MeterReading& reading) {
    if (reading.state.exited_ns != 0)
        return reading.state.exited_ns;
    return reading.usage.removed_ns != 0 ? reading.usage.removed_ns : boot_now_ns();
}

Result<ledger::Ended> ended_as(const loader::Environments& environments,
                               const loader::MeterReading& reading, ledger::Exactness exactness) {
    BULKHEAD_TRY_VALUE(boot, ledger::boot_id());
    return ledger::Ended{.life = {std::move(boot), environments.loaded_ns(), reading.label.serial},
                         .boot_unix_ns = unix_ns_of_boot_ns(0),
                         .ended_boot_ns = ended_ns(reading),
                         .exactness = exactness,
                         .reading = reading};
}

Status store(const ledger::Ended& ended, const std::string& receipt_path) {
    const std::string directory = ledger::directory();
    if (ledger::is_kept(directory))
        BULKHEAD_TRY(ledger::append(directory, ended));
    return receipt_path.empty() ? Status{} : write_receipt(receipt_of(ended), receipt_path);
}

bool is_wanted(const EnvironmentSpec& spec) {
    return !spec.receipt_path.empty() || ledger::is_kept(ledger::directory());
}

}  // namespace

Status store_final(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                   const EnvironmentSpec& spec) {
    if (!is_wanted(spec))
        return {};
    auto reading = loader::read_final(environments, label, cgroup.fd());
    if (!reading && reading.error().code() == ESTALE)
        return {};
    if (!reading)
        return fail(std::move(reading).error());
    BULKHEAD_TRY_VALUE(ended, ended_as(environments, *reading, ledger::Exactness::kExact));
    return store(ended, spec.receipt_path);
}

Status store_last_read(const loader::Environments& environments, bh_label label,
                       const EnvironmentSpec& spec) {
    if (!is_wanted(spec))
        return {};
    auto reading = loader::read_last(environments, label);
    if (!reading && reading.error().code() == ESTALE)
        return {};
    if (!reading)
        return fail(std::move(reading).error());
    BULKHEAD_TRY_VALUE(ended, ended_as(environments, *reading,
                                       is_complete(*reading) ? ledger::Exactness::kExact
                                                             : ledger::Exactness::kLastRead));
    return store(ended, spec.receipt_path);
}

}  // namespace bulkhead::runtime
