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

}  // namespace bulkhead::runtime
