// Final readings that wait for the ledger, in DIRECTORY/pending: appended by whoever finds an
// environment ended, in one write, which reaches the disk before it is relied on; moved to the
// ledger in batches by whoever opens that. Both are idempotent: a reading may be there twice, and
// counts once (life.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "loader/meters.h"
#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/ledger/life.h"

namespace bulkhead::ledger {

enum class Exactness {
    kExact,     // read when nothing ran in it any more
    kLastRead,  // its cgroup was gone: what was last read
};

struct Ended {
    Life life;
    std::uint64_t boot_unix_ns = 0;  // what CLOCK_REALTIME was, as set then, at CLOCK_BOOTTIME 0
    std::uint64_t ended_boot_ns = 0;
    Exactness exactness = Exactness::kExact;
    loader::MeterReading reading{};
};

// What was started by exec, ended: `exec` is the kernel's row of that number.
struct EndedExec {
    Life life;  // of the environment that it was in
    std::uint64_t number = 0;
    std::uint64_t boot_unix_ns = 0;
    std::uint64_t ended_boot_ns = 0;
    Exactness exactness = Exactness::kExact;
    bh_exec exec{};
};

// Whether there is a ledger: whoever reads it first, or the agent, makes the directory. Until then
// nobody asked, and the end of an environment does not pay for it.
bool is_kept(const std::string& directory);

// All of it or nothing. When it returns, neither killing anybody nor a power cut loses it any more.
// ENOSPC: the disk is full.
Status append(const std::string& directory, const Ended& ended);
Status append(const std::string& directory, const EndedExec& ended);

// What is pending, taken out of the way of those who append. Stays in DIRECTORY/storing until
// done(), so that who is killed in between leaves it to the next.
class Taken {
public:
    // Waits for another one that takes.
    static Result<Taken> take(const std::string& directory);

    [[nodiscard]] const std::vector<Ended>& readings() const { return readings_; }
    [[nodiscard]] const std::vector<EndedExec>& execs() const { return execs_; }
    // Of another version of Bulkhead, which alone can read them: done() keeps them.
    [[nodiscard]] std::size_t foreign() const { return foreign_; }

    // They are in the ledger.
    Status done();

private:
    Taken(std::string directory, UniqueFd lock)
        : directory_(std::move(directory)), lock_(std::move(lock)) {}

    Status read(const std::string& path);

    std::string directory_;
    UniqueFd lock_;
    std::vector<Ended> readings_;
    std::vector<EndedExec> execs_;
    std::string foreign_bytes_;
    std::size_t foreign_ = 0;
};

// True: somebody has to take.
bool has_pending(const std::string& directory);

// Makes the directory, readable by root alone.
Status make_directory(const std::string& directory);

}  // namespace bulkhead::ledger
