#include "runtime/execs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include "loader/execs.h"
#include "loader/unique_fd.h"
#include "runtime/clock.h"
#include "runtime/life.h"
#include "runtime/receipt.h"
#include "runtime/start.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

using loader::ExecRow;
using loader::Execs;

// Between the end of a process as wait(2) tells it and the scheduler's last switch away from its
// tasks are a few microseconds.
constexpr int kLooks = 1000;
constexpr int kLooksAtOthers = 20;  // after which they are no threads on their way out
constexpr useconds_t kBetweenLooksUs = 1000;

// Where it stands which file is to have the receipt.
std::string wish_path(const std::string& environment, std::uint64_t number) {
    return state_path(environment) + "/exec-" + std::to_string(number);
}

Status note_wish(const NewExec& wanted, std::uint64_t number) {
    if (wanted.receipt_path.empty())
        return {};
    const std::string path = wish_path(wanted.environment, number);
    std::ofstream file(path);
    if (!(file << wanted.receipt_path).flush())
        return fail_errno("write " + path);
    return {};
}

// Held by whoever stores it: two at once would be in each other's way in the file.
struct Wish {
    UniqueFd lock;
    std::string file;  // empty: none is wanted
};

Wish take_wish(const std::string& environment, std::uint64_t number) {
    const std::string path = wish_path(environment, number);
    Wish wish{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)), ""};
    if (!wish.lock || ::flock(wish.lock.get(), LOCK_EX) != 0)
        return wish;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(wish.lock.get(), buffer, sizeof buffer)) > 0)
        wish.file.append(buffer, static_cast<std::size_t>(got));
    return wish;
}

// No process has it, and none ever ran its command: whoever began it was killed over it.
bool is_abandoned(const bh_exec& exec) {
    return exec.execs == 0 && exec.ended_ns == 0 && exec.exited_ns == 0 &&
           ::kill(static_cast<pid_t>(exec.pid), 0) != 0 && errno == ESRCH;
}

Result<ledger::EndedExec> ended_as(const ExecRow& row, std::uint64_t loaded_ns) {
    BULKHEAD_TRY_VALUE(boot, ledger::boot_id());
    const bool has_ended = row.exec.ended_ns != 0;
    return ledger::EndedExec{
        .life = {std::move(boot), loaded_ns, row.exec.label.serial},
        .number = row.number,
        .boot_unix_ns = unix_ns_of_boot_ns(0),
        .ended_boot_ns = has_ended ? row.exec.ended_ns : boot_time_ns(),
        .exactness = has_ended ? ledger::Exactness::kExact : ledger::Exactness::kLastRead,
        .exec = row.exec};
}

// May be done twice: the ledger takes one. The row goes last.
Status store(const Execs& execs, const ExecRow& row, std::uint64_t loaded_ns) {
    const std::string environment = row.exec.environment;
    const Wish wish = take_wish(environment, row.number);
    BULKHEAD_TRY_VALUE(still, execs.find(row.number));
    if (!still)
        return {};
    const std::string directory = ledger::directory();
    if (row.exec.execs != 0 && (!wish.file.empty() || ledger::is_kept(directory))) {
        BULKHEAD_TRY_VALUE(ended, ended_as(row, loaded_ns));
        if (!wish.file.empty())
            BULKHEAD_TRY(write_document(receipt_json(exec_usage_of(ended)), wish.file));
        if (ledger::is_kept(directory))
            BULKHEAD_TRY(ledger::append(directory, ended));
    }
    ::unlink(wish_path(environment, row.number).c_str());
    return execs.forget(row.number);
}

// The row once its first process is gone from its CPU, with the others that went with it. None:
// somebody else stored it.
Result<std::optional<bh_exec>> wait_for_first(const Execs& execs, std::uint64_t number) {
    int looks_since = 0;
    for (int i = 0;; ++i) {
        BULKHEAD_TRY_VALUE(exec, execs.find(number));
        looks_since += exec && exec->exited_ns != 0 ? 1 : 0;
        if (!exec || exec->ended_ns != 0 || looks_since > kLooksAtOthers || i == kLooks)
            return exec;
        ::usleep(kBetweenLooksUs);
    }
}

Result<std::optional<bh_exec>> wait_for_last(const Execs& execs, std::uint64_t number) {
    for (int i = 0;; ++i) {
        BULKHEAD_TRY_VALUE(exec, execs.find(number));
        if (!exec || exec->ended_ns != 0 || i == kLooks)
            return exec;
        ::usleep(kBetweenLooksUs);
    }
}

}  // namespace

Result<std::uint64_t> begin_exec(const NewExec& wanted) {
    BULKHEAD_TRY_VALUE(execs, Execs::open());
    bh_exec row{};
    row.label = wanted.label;
    row.started_ns = boot_time_ns();
    row.pid = static_cast<__u32>(wanted.pid);
    wanted.environment.copy(row.environment, BH_NAME_BYTES - 1);
    std::filesystem::path(wanted.command)
        .filename()
        .string()
        .copy(row.command, BH_COMMAND_BYTES - 1);
    BULKHEAD_TRY_VALUE(number, execs.begin(wanted.pidfd, row));
    if (auto noted = note_wish(wanted, number); !noted) {
        forget_exec(wanted.environment, number);
        return fail(std::move(noted).error());
    }
    return std::uint64_t{number};
}

void forget_exec(const std::string& environment, std::uint64_t number) {
    ::unlink(wish_path(environment, number).c_str());
    const auto execs = Execs::open();
    if (!execs)
        return;
    const auto row = execs->find(number);
    (void)execs->forget(number);
    if (row && *row)
        (void)execs->settle_packets((*row)->label);
}

Status finish_exec(std::uint64_t number) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(execs, Execs::open());
    BULKHEAD_TRY_VALUE(exec, wait_for_first(execs, number));
    if (!exec || exec->ended_ns == 0)
        return {};
    BULKHEAD_TRY(store(execs, {number, *exec}, environments.loaded_ns()));
    return execs.settle_packets(exec->label);
}

void sweep_execs(const loader::Environments& environments) {
    if (!environments.had_execs())
        return;
    const auto execs = Execs::open();
    const auto rows = execs ? execs->rows() : fail(Error(execs.error()));
    if (!rows)
        return;
    std::map<__u32, bh_label> ended_in;  // by serial
    for (const ExecRow& row : *rows) {
        if (row.exec.ended_ns != 0) {
            (void)store(*execs, row, environments.loaded_ns());
            ended_in[row.exec.label.serial] = row.exec.label;
        } else if (is_abandoned(row.exec)) {
            forget_exec(row.exec.environment, row.number);
        }
    }
    for (const auto& [serial, label] : ended_in)
        (void)execs->settle_packets(label);
}

Status store_execs_of(const loader::Environments& environments, bh_label label) {
    if (!environments.had_execs())
        return {};
    BULKHEAD_TRY_VALUE(execs, Execs::open());
    BULKHEAD_TRY_VALUE(rows, execs.rows());
    for (const ExecRow& row : rows) {
        if (row.exec.label.serial != label.serial)
            continue;
        BULKHEAD_TRY_VALUE(last, wait_for_last(execs, row.number));
        if (last)
            BULKHEAD_TRY(store(execs, {row.number, *last}, environments.loaded_ns()));
    }
    return execs.settle_packets(label);
}

Result<std::vector<ExecUsage>> read_execs_of(const std::string& environment) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, environment));
    std::vector<ExecUsage> running;
    if (!environments.had_execs())
        return running;
    BULKHEAD_TRY_VALUE(execs, Execs::open());
    BULKHEAD_TRY(execs.settle());
    BULKHEAD_TRY_VALUE(rows, execs.rows());
    for (const ExecRow& row : rows)
        if (row.exec.label.serial == label.serial && row.exec.ended_ns == 0)
            running.push_back(exec_usage_of(row.number, row.exec));
    return running;
}

}  // namespace bulkhead::runtime
