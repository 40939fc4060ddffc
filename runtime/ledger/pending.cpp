#include "runtime/ledger/pending.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <type_traits>

namespace bulkhead::ledger {
namespace {

constexpr std::uint64_t kMagic = 0x0a'74'70'63'65'72'68'62;  // "bhrecpt\n"
constexpr std::size_t kBootBytes = 40;
constexpr const char* kRemedy =
    "make room on that file system: the environment's usage stays in the kernel, and the next "
    "command stores it";

enum class Kind : std::uint16_t { kEnvironment, kExec };

// Before each entry. Of another version only this is understood.
struct Header {
    std::uint64_t magic;
    std::uint64_t checksum;  // of what follows the header
    std::uint32_t bytes;     // of that
    std::uint16_t wire_version;
    Kind kind;
};

struct Entry {
    char boot[kBootBytes];
    std::uint64_t loaded_ns;
    std::uint64_t boot_unix_ns;
    std::uint64_t ended_boot_ns;
    std::uint64_t last_read;  // 1: Exactness::kLastRead
    loader::MeterReading reading;
};

struct ExecEntry {
    char boot[kBootBytes];
    std::uint64_t loaded_ns;
    std::uint64_t number;
    std::uint64_t boot_unix_ns;
    std::uint64_t ended_boot_ns;
    std::uint64_t last_read;
    bh_exec exec;
};

template <typename Content>
struct Record {
    Header header;
    Content entry;
};
static_assert(std::is_trivially_copyable_v<Record<Entry>> && sizeof(Entry) % 8 == 0);
static_assert(std::is_trivially_copyable_v<Record<ExecEntry>> && sizeof(ExecEntry) % 8 == 0);

// FNV-1a by words: a torn entry is told from a whole one, nothing else is asked of it.
std::uint64_t checksum_of(const char* bytes, std::size_t count) {
    std::uint64_t sum = 0xcbf29ce484222325;
    for (std::size_t i = 0; i + 8 <= count; i += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes + i, sizeof word);
        sum = (sum ^ word) * 0x100000001b3;
    }
    return sum;
}

template <typename Content>
void seal(Record<Content>& record, Kind kind) {
    record.header = {kMagic,
                     checksum_of(reinterpret_cast<const char*>(&record.entry), sizeof(Content)),
                     sizeof(Content), BH_WIRE_VERSION, kind};
}

Record<Entry> to_record(const Ended& ended) {
    Record<Entry> record{};
    ended.life.boot.copy(record.entry.boot, kBootBytes - 1);
    record.entry.loaded_ns = ended.life.loaded_ns;
    record.entry.boot_unix_ns = ended.boot_unix_ns;
    record.entry.ended_boot_ns = ended.ended_boot_ns;
    record.entry.last_read = ended.exactness == Exactness::kLastRead ? 1 : 0;
    record.entry.reading = ended.reading;
    seal(record, Kind::kEnvironment);
    return record;
}

Record<ExecEntry> to_record(const EndedExec& ended) {
    Record<ExecEntry> record{};
    ended.life.boot.copy(record.entry.boot, kBootBytes - 1);
    record.entry.loaded_ns = ended.life.loaded_ns;
    record.entry.number = ended.number;
    record.entry.boot_unix_ns = ended.boot_unix_ns;
    record.entry.ended_boot_ns = ended.ended_boot_ns;
    record.entry.last_read = ended.exactness == Exactness::kLastRead ? 1 : 0;
    record.entry.exec = ended.exec;
    seal(record, Kind::kExec);
    return record;
}

Exactness exactness_of(std::uint64_t last_read) {
    return last_read != 0 ? Exactness::kLastRead : Exactness::kExact;
}

Ended to_ended(const char* bytes) {
    Entry entry;
    std::memcpy(&entry, bytes, sizeof entry);
    return {.life = {entry.boot, entry.loaded_ns, entry.reading.label.serial},
            .boot_unix_ns = entry.boot_unix_ns,
            .ended_boot_ns = entry.ended_boot_ns,
            .exactness = exactness_of(entry.last_read),
            .reading = entry.reading};
}

EndedExec to_ended_exec(const char* bytes) {
    ExecEntry entry;
    std::memcpy(&entry, bytes, sizeof entry);
    return {.life = {entry.boot, entry.loaded_ns, entry.exec.label.serial},
            .number = entry.number,
            .boot_unix_ns = entry.boot_unix_ns,
            .ended_boot_ns = entry.ended_boot_ns,
            .exactness = exactness_of(entry.last_read),
            .exec = entry.exec};
}

bool is_ours(const Header& header, Kind kind, std::size_t bytes) {
    return header.wire_version == BH_WIRE_VERSION && header.kind == kind && header.bytes == bytes;
}

std::string path_of(const std::string& directory, const char* file) {
    return directory + "/" + file;
}

bool is_file_at(int fd, const std::string& path) {
    struct stat opened {};
    struct stat named {};
    return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
           opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

// Locked, and still the file of that name: take() moves it away.
Result<UniqueFd> open_to_append(const std::string& directory) {
    const std::string path = path_of(directory, "pending");
    while (true) {
        UniqueFd file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
        if (!file && errno == ENOENT) {
            BULKHEAD_TRY(make_directory(directory));
            continue;
        }
        if (!file)
            return fail(Error::from_errno("open " + path).advise(kRemedy));
        if (::flock(file.get(), LOCK_EX) != 0)
            return fail_errno("lock " + path);
        if (is_file_at(file.get(), path))
            return file;
    }
}

// The names in it reach the disk. EINVAL: that of this file system needs no asking.
Status sync_directory(const std::string& directory) {
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || (::fsync(fd.get()) != 0 && errno != EINVAL))
        return fail(Error::from_errno("synchronise " + directory).advise(kRemedy));
    return {};
}

// Its name as well, each time: whoever made it may have been killed before doing so. Others append
// meanwhile, so that all who end at once wait for the disk together.
Status sync_pending(const UniqueFd& file, const std::string& directory) {
    ::flock(file.get(), LOCK_UN);
    if (::fdatasync(file.get()) != 0)
        return fail(
            Error::from_errno("synchronise " + path_of(directory, "pending")).advise(kRemedy));
    return sync_directory(directory);
}

Status append_bytes(const std::string& directory, const char* bytes, std::size_t count) {
    BULKHEAD_TRY_VALUE(file, open_to_append(directory));
    const ssize_t written = ::write(file.get(), bytes, count);
    if (written == static_cast<ssize_t>(count))
        return sync_pending(file, directory);
    const int error = written < 0 ? errno : ENOSPC;
    // What is left of it would be passed over by readers; without it nobody has to.
    struct stat info {};
    if (written > 0 && ::fstat(file.get(), &info) == 0)
        (void)!::ftruncate(file.get(), info.st_size - written);
    return fail(Error(error, "write " + path_of(directory, "pending")).advise(kRemedy));
}

Result<std::string> read_file(int fd, const std::string& path) {
    std::string bytes;
    char buffer[16384];
    ssize_t got = 0;
    while ((got = ::read(fd, buffer, sizeof buffer)) > 0)
        bytes.append(buffer, static_cast<std::size_t>(got));
    if (got < 0)
        return fail_errno("read " + path);
    return bytes;
}

// The whole entry that begins at `at`; none: it is torn.
std::optional<Header> header_at(const std::string& bytes, std::size_t at) {
    Header header{};
    if (bytes.size() - at < sizeof header)
        return std::nullopt;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    if (header.magic != kMagic || bytes.size() - at - sizeof header < header.bytes ||
        checksum_of(bytes.data() + at + sizeof header, header.bytes) != header.checksum)
        return std::nullopt;
    return header;
}

}  // namespace

Status make_directory(const std::string& directory) {
    for (std::size_t end = directory.find('/', 1);; end = directory.find('/', end + 1)) {
        const std::string path = directory.substr(0, end);
        if (::mkdir(path.c_str(), 0700) == 0)
            BULKHEAD_TRY(sync_directory(path.substr(0, std::max<std::size_t>(path.rfind('/'), 1))));
        else if (errno != EEXIST)
            return fail(Error::from_errno("make " + path)
                            .advise("BULKHEAD_LEDGER=DIR names another place for the ledger, to "
                                    "all commands alike"));
        if (end == std::string::npos)
            return {};
    }
}

Status append(const std::string& directory, const Ended& ended) {
    const auto record = to_record(ended);
    return append_bytes(directory, reinterpret_cast<const char*>(&record), sizeof record);
}

Status append(const std::string& directory, const EndedExec& ended) {
    const auto record = to_record(ended);
    return append_bytes(directory, reinterpret_cast<const char*>(&record), sizeof record);
}

bool is_kept(const std::string& directory) {
    return ::access(directory.c_str(), F_OK) == 0;
}

bool has_pending(const std::string& directory) {
    return ::access(path_of(directory, "pending").c_str(), F_OK) == 0 ||
           ::access(path_of(directory, "storing").c_str(), F_OK) == 0;
}

Result<Taken> Taken::take(const std::string& directory) {
    BULKHEAD_TRY(make_directory(directory));
    const std::string lock_path = path_of(directory, "lock");
    UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock || ::flock(lock.get(), LOCK_EX) != 0)
        return fail_errno("lock " + lock_path);
    Taken taken(directory, std::move(lock));
    const std::string storing = path_of(directory, "storing");
    // What somebody was killed over comes first: renaming would replace it.
    if (::access(storing.c_str(), F_OK) != 0 &&
        ::rename(path_of(directory, "pending").c_str(), storing.c_str()) != 0 && errno != ENOENT)
        return fail_errno("rename " + directory + "/pending");
    BULKHEAD_TRY(taken.read(storing));
    return taken;
}

Status Taken::read(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return errno == ENOENT ? Status{} : fail_errno("open " + path);
    // Who had it open before it was renamed finishes first; who locks it later finds another name.
    if (::flock(file.get(), LOCK_EX) != 0)
        return fail_errno("lock " + path);
    BULKHEAD_TRY_VALUE(bytes, read_file(file.get(), path));
    for (std::size_t at = 0; at < bytes.size();) {
        const auto header = header_at(bytes, at);
        if (!header) {
            const std::string magic(reinterpret_cast<const char*>(&kMagic), sizeof kMagic);
            at = std::min(bytes.find(magic, at + 1), bytes.size());
            continue;
        }
        const std::size_t next = at + sizeof *header + header->bytes;
        const char* content = bytes.data() + at + sizeof *header;
        if (is_ours(*header, Kind::kEnvironment, sizeof(Entry))) {
            readings_.push_back(to_ended(content));
        } else if (is_ours(*header, Kind::kExec, sizeof(ExecEntry))) {
            execs_.push_back(to_ended_exec(content));
        } else {
            foreign_bytes_ += bytes.substr(at, next - at);
            ++foreign_;
        }
        at = next;
    }
    return {};
}

Status Taken::done() {
    // Back before it goes: twice is better than not at all.
    if (!foreign_bytes_.empty())
        BULKHEAD_TRY(append_bytes(directory_, foreign_bytes_.data(), foreign_bytes_.size()));
    const std::string storing = path_of(directory_, "storing");
    if (::unlink(storing.c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove " + storing);
    return {};
}

}  // namespace bulkhead::ledger
