#include "runtime/receipt.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "loader/unique_fd.h"
#include "runtime/clock.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

constexpr const char* kUnfinished = ".new";

Status write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0)
            return fail_errno("write " + path);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Status replace_file(const std::string& temporary, const std::string& path, std::string_view text) {
    ::unlink(temporary.c_str());  // of somebody who was killed here
    const UniqueFd fd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd)
        return fail_errno("create " + temporary);
    BULKHEAD_TRY(write_all(fd.get(), text, temporary));
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        return fail_errno("rename " + temporary + " to " + path);
    return {};
}

}  // namespace

Receipt receipt_of(const ledger::Ended& ended) {
    const loader::MeterReading& reading = ended.reading;
    Receipt receipt{.usage = usage_of(reading),
                    .ended_unix_ns = ended.boot_unix_ns + ended.ended_boot_ns,
                    .exit_status = {},
                    .exactness = ended.exactness};
    // By the clock of the boot in which it ran, as it was set at its end.
    receipt.usage.started_unix_ns = ended.boot_unix_ns + reading.record.started_ns;
    if (reading.state.exited_ns != 0)
        receipt.exit_status = static_cast<int>(reading.state.exit_status);
    return receipt;
}

Json exit_json(const std::optional<int>& status) {
    if (!status)
        return nullptr;
    if (WIFSIGNALED(*status))
        return {{"signal", WTERMSIG(*status)}};
    return {{"code", WEXITSTATUS(*status)}};
}

Json to_json(const Receipt& receipt) {
    Json all = to_json(receipt.usage);
    all["ended"] = rfc3339(receipt.ended_unix_ns);
    all["exit"] = exit_json(receipt.exit_status);
    all["out_of_memory"] = receipt.usage.oom_kills != 0;
    all["exact"] = receipt.exactness == ledger::Exactness::kExact;
    return all;
}

Status check_receipt_path(const std::string& path) {
    if (path.empty())
        return {};
    const std::filesystem::path file(path);
    struct stat info {};
    if (!file.is_absolute() || !file.has_filename() ||
        (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)))
        return fail_usage("--receipt " + path + " does not name a file");
    const std::string trial = path + kUnfinished;
    const UniqueFd fd(::open(trial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd)
        return fail(Error::from_errno("--receipt " + path + ": create " + trial)
                        .advise("name a file in a directory that exists and can be written"));
    ::unlink(trial.c_str());
    return {};
}

Status write_document(const Json& document, const std::string& path) {
    const std::string temporary = path + kUnfinished;
    if (auto done = replace_file(temporary, path, document.indented() + "\n"); !done) {
        ::unlink(temporary.c_str());
        return fail(std::move(done).error());
    }
    return {};
}

Status write_receipt(const Receipt& receipt, const std::string& path) {
    return write_document(to_json(receipt), path);
}

}  // namespace bulkhead::runtime
