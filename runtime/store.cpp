#include "runtime/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace bulkhead::runtime {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReceiptStored = "receipt-stored";

UniqueFd open_directory(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

Result<UniqueFd> open_lock(int directory, const std::string& path) {
    UniqueFd lock(::openat(directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!lock)
        return fail_errno("open " + path + "/lock");
    return lock;
}

Status write_all(int fd, const std::string& text, const std::string& path) {
    std::size_t written = 0;
    while (written < text.size()) {
        const ssize_t got = ::write(fd, text.data() + written, text.size() - written);
        if (got < 0)
            return fail_errno("write " + path);
        written += static_cast<std::size_t>(got);
    }
    return {};
}

std::string kept_path(std::string_view name) {
    return std::string(kKeptRoot) + "/" + std::string(name);
}

}  // namespace

std::string state_path(std::string_view name) {
    return std::string(kStateRoot) + "/" + std::string(name);
}

Status prepare_state_root() {
    if (::mkdir(std::string(kStateRoot).c_str(), 0700) != 0 && errno != EEXIST)
        return fail_errno("make " + std::string(kStateRoot));
    return {};
}

Result<UniqueFd> lock_state_root() {
    UniqueFd root = open_directory(std::string(kStateRoot));
    if (!root || ::flock(root.get(), LOCK_EX) != 0)
        return fail_errno("lock " + std::string(kStateRoot));
    return root;
}

Result<StateDirectory> StateDirectory::create(std::string_view name) {
    BULKHEAD_TRY(prepare_state_root());
    BULKHEAD_TRY_VALUE(root, lock_state_root());
    const std::string path = state_path(name);
    if (::mkdir(path.c_str(), 0700) != 0)
        return fail_errno("make " + path);
    BULKHEAD_TRY_VALUE(state, open(name));
    BULKHEAD_TRY_VALUE(locked, state.try_lock());
    if (!locked)
        return fail(Error(EBUSY, "lock " + path));
    return state;
}

Result<StateDirectory> StateDirectory::open(std::string_view name) {
    const std::string path = state_path(name);
    UniqueFd directory = open_directory(path);
    if (!directory)
        return fail_errno("open " + path);
    BULKHEAD_TRY_VALUE(lock, open_lock(directory.get(), path));
    return StateDirectory(std::string(name), std::move(directory), std::move(lock));
}

Result<bool> StateDirectory::try_lock() {
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return false;
    return fail_errno("lock " + state_path(name_));
}

Status StateDirectory::save(const EnvironmentState& state) const {
    const std::string path = state_path(name_) + "/environment.json";
    const UniqueFd file(::openat(directory_.get(), "environment.json.new",
                                 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file)
        return fail_errno("make " + path);
    BULKHEAD_TRY(write_all(file.get(), to_json(state), path));
    if (::renameat(directory_.get(), "environment.json.new", directory_.get(),
                   "environment.json") != 0)
        return fail_errno("replace " + path);
    return {};
}

Result<EnvironmentState> StateDirectory::load() const {
    const std::string path = state_path(name_) + "/environment.json";
    const UniqueFd file(::openat(directory_.get(), "environment.json", O_RDONLY | O_CLOEXEC));
    if (!file)
        return fail_errno("open " + path);
    std::string text;
    char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    auto state = state_from_json(text);
    if (!state)
        return fail(std::move(state).error().within(path).advise(
            "bulkhead destroy --force " + name_ + " removes what is left of it"));
    return state;
}

Result<UniqueFd> StateDirectory::open_output() const {
    UniqueFd output(::openat(directory_.get(), "output",
                             O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!output)
        return fail_errno("make " + state_path(name_) + "/output");
    return output;
}

bool StateDirectory::mark_end_told() const {
    return static_cast<bool>(UniqueFd(
        ::openat(directory_.get(), "end-told", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
}

Status StateDirectory::mark_receipt_stored() const {
    const UniqueFd mark(
        ::openat(directory_.get(), kReceiptStored, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!mark)
        return fail_errno("make " + state_path(name_) + "/" + kReceiptStored);
    return {};
}

bool StateDirectory::is_receipt_stored() const {
    return ::faccessat(directory_.get(), kReceiptStored, F_OK, 0) == 0;
}

// The state goes last: by it the next command finds what is left. Most have these two files and
// nothing else; to ask a directory for its names is dear.
Status remove_state(std::string_view name) {
    const std::string state = state_path(name);
    std::error_code error;
    fs::remove_all(kept_path(name), error);
    if (error)
        return fail(Error(error.value(), "remove " + kept_path(name)));
    ::unlink((state + "/environment.json").c_str());
    ::unlink((state + "/lock").c_str());
    if (::rmdir(state.c_str()) == 0)
        return {};
    fs::remove_all(state, error);
    if (error)
        return fail(Error(error.value(), "remove " + state));
    return {};
}

std::vector<std::string> stored_names() {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kStateRoot, error)) {
        std::string name = entry.path().filename();
        if (validate_name(name) && entry.is_directory(error))
            names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<std::string> make_kept_layer(std::string_view name) {
    const std::string path = kept_path(name);
    for (const std::string& directory : {std::string(kKeptRoot), path}) {
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
            return fail_errno("make " + directory);
    }
    return path;
}

}  // namespace bulkhead::runtime
