// Ended environments that never ran, and a ledger in a directory of its own.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "runtime/ledger/pending.h"

namespace bulkhead::tests {

inline constexpr std::uint64_t kSecondNs = 1'000'000'000;
inline constexpr std::uint64_t kBootUnixNs = 1'700'000'000 * kSecondNs;

// The environment "env-SERIAL": it started at second 10 of the boot, ended at second 10 + SERIAL,
// and used SERIAL ms of CPU time.
inline ledger::Ended ended(std::uint32_t serial) {
    ledger::Ended one{.life = {"11111111-2222-3333-4444-555555555555", 77, serial},
                      .boot_unix_ns = kBootUnixNs,
                      .ended_boot_ns = (10 + serial) * kSecondNs,
                      .exactness = ledger::Exactness::kExact,
                      .reading = {}};
    const std::string name = "env-" + std::to_string(serial);
    name.copy(one.reading.record.name, BH_NAME_BYTES - 1);
    one.reading.label = {0, serial};
    one.reading.record.serial = serial;
    one.reading.record.started_ns = 10 * kSecondNs;
    one.reading.usage.cpu_ns = serial * 1'000'000ULL;
    one.reading.state.exited_ns = one.ended_boot_ns;
    one.reading.state.counts.traffic[BH_SENT][BH_FAMILY_IPV4] = {serial * 10ULL, serial};
    return one;
}

// An exec of that environment, by the same number: it ran the second before its end, and used
// SERIAL ms of CPU time.
inline ledger::EndedExec ended_exec(std::uint32_t serial) {
    const ledger::Ended environment = ended(serial);
    ledger::EndedExec one{.life = environment.life,
                          .number = serial,
                          .boot_unix_ns = kBootUnixNs,
                          .ended_boot_ns = environment.ended_boot_ns,
                          .exactness = ledger::Exactness::kExact,
                          .exec = {}};
    one.exec.label = environment.reading.label;
    one.exec.started_ns = environment.ended_boot_ns - kSecondNs;
    one.exec.exited_ns = one.exec.ended_ns = environment.ended_boot_ns;
    one.exec.execs = 1;
    one.exec.exit_status = 3 << 8;
    one.exec.counts.cpu_ns = serial * 1'000'000ULL;
    one.exec.counts.written_bytes = 4096;
    one.exec.cpu_nice_sampled_ns = 4'000'000;
    one.exec.traffic[BH_SENT][BH_FAMILY_IPV4] = {600, 6};
    one.exec.traffic[BH_SENT][BH_FAMILY_IPV6] = {80, 1};
    one.exec.waits[3] = 5;
    one.exec.preempted[BH_PREEMPTED_BY_HOST] = 7;
    std::copy_n(environment.reading.record.name, BH_NAME_BYTES, one.exec.environment);
    std::string("sh").copy(one.exec.command, BH_COMMAND_BYTES - 1);
    return one;
}

// Empty at first, gone at last. In memory: what reaches a disk is what a case looks at, not how
// long that takes.
class LedgerDirectory {
public:
    explicit LedgerDirectory(const std::string& name)
        : path_(std::filesystem::path("/dev/shm") /
                ("bulkhead-" + name + "-" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(path_);
    }
    LedgerDirectory(const LedgerDirectory&) = delete;
    LedgerDirectory& operator=(const LedgerDirectory&) = delete;
    ~LedgerDirectory() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string path() const { return path_; }
    [[nodiscard]] std::string file(const char* name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

}  // namespace bulkhead::tests
