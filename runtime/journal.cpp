#include "runtime/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include "runtime/clock.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

constexpr const char* kJournal = "/run/bulkhead/.events";
constexpr const char* kOlder = "/run/bulkhead/.events.1";
constexpr off_t kMostBytes = 1 << 20;

// The size of the file, if it is still the one of this name.
std::optional<off_t> size_if_named(int fd, const char* path) {
    struct stat opened {};
    struct stat named {};
    if (::fstat(fd, &opened) != 0 || ::stat(path, &named) != 0 || opened.st_ino != named.st_ino ||
        opened.st_dev != named.st_dev)
        return std::nullopt;
    return opened.st_size;
}

// Locked, so that one writer alone puts it aside; another one then finds that it has the old one.
UniqueFd open_to_append() {
    for (int attempts = 0; attempts < 8; ++attempts) {
        UniqueFd file(::open(kJournal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
        if (!file || ::flock(file.get(), LOCK_EX) != 0)
            return UniqueFd();
        const auto bytes = size_if_named(file.get(), kJournal);
        if (!bytes)
            continue;
        if (*bytes < kMostBytes)
            return file;
        (void)::rename(kJournal, kOlder);
    }
    return UniqueFd();
}

}  // namespace

void tell_of(std::uint64_t unix_ns, std::string_view event, const std::string& environment,
             const Json& details) {
    const UniqueFd file = open_to_append();
    if (!file)
        return;
    Json told{{"time", rfc3339(unix_ns)}, {"event", event}};
    if (!environment.empty())
        told["environment"] = environment;
    for (const auto& [key, value] : details.members())
        told[key] = value;
    const std::string line = told.compact() + "\n";
    (void)!::write(file.get(), line.data(), line.size());
}

void tell(std::string_view event, const std::string& environment, const Json& details) {
    tell_of(unix_now_ns(), event, environment, details);
}

JournalReader::JournalReader() : file_(::open(kOlder, O_RDONLY | O_CLOEXEC)) {
    if (!file_)
        file_ = UniqueFd(::open(kJournal, O_RDONLY | O_CLOEXEC));
}

void JournalReader::read_more(std::vector<Json>& events) {
    std::array<char, 4096> bytes{};
    for (ssize_t count = 0; (count = ::read(file_.get(), bytes.data(), bytes.size())) > 0;)
        partial_.append(bytes.data(), static_cast<std::size_t>(count));
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = partial_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
        auto event = Json::parse(std::string_view(partial_).substr(begin, end - begin));
        if (event && event->is_object())
            events.push_back(std::move(*event));
    }
    partial_.erase(0, begin);
}

std::vector<Json> JournalReader::next() {
    std::vector<Json> events;
    if (file_)
        read_more(events);
    if (file_ && size_if_named(file_.get(), kJournal))
        return events;
    // Put aside since, or the older one was read to its end; what was told in between is in it.
    UniqueFd current(::open(kJournal, O_RDONLY | O_CLOEXEC));
    if (!current)
        return events;
    if (file_)
        read_more(events);
    partial_.clear();
    file_ = std::move(current);
    read_more(events);
    return events;
}

}  // namespace bulkhead::runtime
