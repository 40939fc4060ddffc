#include "tests/kernel/foreign.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>

#include "loader/unique_fd.h"

namespace bulkhead::tests {
namespace {

constexpr int kCrashed = 255;
constexpr const char* kActOption = "--act";

std::string own_path() {
    return std::filesystem::read_symlink("/proc/self/exe");
}

pid_t execute(const std::string& path, Words words, const std::function<void()>& before) {
    words.insert(words.begin(), {path, kActOption});
    const pid_t pid = ::fork();
    if (pid != 0)
        return pid;
    std::vector<char*> arguments;
    for (std::string& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    before();
    ::execv(path.c_str(), arguments.data());
    ::_exit(kCrashed);
}

int wait_for(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == kCrashed) {
        ADD_FAILURE() << "the act crashed, status " << status;
        return -1;
    }
    return WEXITSTATUS(status);
}

__u32 number(const std::string& word) {
    return static_cast<__u32>(std::stoul(word));
}

int list(const char* path) {
    DIR* directory = ::opendir(path);
    const int error = directory == nullptr ? errno : 0;
    if (directory != nullptr)
        ::closedir(directory);
    return error;
}

// Who has nothing to do with us works with what is its own.
int use_own_objects() {
    const char* pin = "/sys/fs/bpf/theirs";
    const UniqueFd map(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "theirs", sizeof(__u32), sizeof(__u64), 1, nullptr));
    bpf_map_info info{};
    __u32 bytes = sizeof info;
    const __u32 zero = 0;
    const __u64 value = 1;
    int errors = outcome(bpf_obj_get_info_by_fd(map.get(), &info, &bytes)) |
                 outcome(bpf_obj_pin(map.get(), pin));
    const UniqueFd by_pin(bpf_obj_get(pin));
    errors |= outcome(by_pin.get()) | opened(bpf_map_get_fd_by_id(info.id)) |
              outcome(bpf_map_update_elem(by_pin.get(), &zero, &value, BPF_ANY)) |
              outcome(::rename(pin, "/sys/fs/bpf/theirs2")) |
              outcome(::unlink("/sys/fs/bpf/theirs2"));
    return errors;
}

// Runs `words` by the executable `path`, which is traced from its first instruction on.
int trace(const Words& words) {
    const pid_t pid = execute(words[1], {words.begin() + 2, words.end()},
                              [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); });
    int status = 0;
    while (::waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
        ::ptrace(PTRACE_CONT, pid, nullptr, nullptr);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kCrashed;
}

int mount_over(const char* path) {
    const int error = outcome(::mount("none", path, "tmpfs", 0, nullptr));
    return error != 0 ? error : outcome(::umount(path));
}

// With the older call and the newer one.
int move_mount_there_and_back(const char* from, const char* to) {
    const auto move = [](const char* one, const char* other) {
        return outcome(::syscall(SYS_move_mount, AT_FDCWD, one, AT_FDCWD, other, 0));
    };
    const int error = move(from, to);
    return error != 0 ? error : move(to, from);
}

int become(const char* path) {
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    return outcome(::prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, file.get(), 0, 0));
}

// Until the end of this process.
int attach(pid_t pid) {
    return outcome(::ptrace(PTRACE_SEIZE, pid, nullptr, nullptr));
}

int rename_there_and_back(const char* from, const char* to) {
    const int error = outcome(::rename(from, to));
    return error != 0 ? error : outcome(::rename(to, from));
}

const std::map<std::string, std::function<int(const Words&)>>& acts() {
    static const std::map<std::string, std::function<int(const Words&)>> kActs = {
        {"map", [](const Words& w) { return opened(bpf_map_get_fd_by_id(number(w[1]))); }},
        {"program", [](const Words& w) { return opened(bpf_prog_get_fd_by_id(number(w[1]))); }},
        {"link", [](const Words& w) { return opened(bpf_link_get_fd_by_id(number(w[1]))); }},
        {"pin", [](const Words& w) { return opened(bpf_obj_get(w[1].c_str())); }},
        {"list", [](const Words& w) { return list(w[1].c_str()); }},
        {"write",
         [](const Words& w) { return opened(::open(w[1].c_str(), O_WRONLY | O_CLOEXEC)); }},
        {"unlink", [](const Words& w) { return outcome(::unlink(w[1].c_str())); }},
        {"rename",
         [](const Words& w) { return rename_there_and_back(w[1].c_str(), w[2].c_str()); }},
        {"kill",
         [](const Words& w) {
             return outcome(
                 ::kill(static_cast<pid_t>(number(w[1])), static_cast<int>(number(w[2]))));
         }},
        {"attach", [](const Words& w) { return attach(static_cast<pid_t>(number(w[1]))); }},
        {"become", [](const Words& w) { return become(w[1].c_str()); }},
        {"umount", [](const Words& w) { return outcome(::umount(w[1].c_str())); }},
        {"mount-over", [](const Words& w) { return mount_over(w[1].c_str()); }},
        {"move-mount",
         [](const Words& w) { return move_mount_there_and_back(w[1].c_str(), w[2].c_str()); }},
        {"own-objects", [](const Words&) { return use_own_objects(); }},
        {"trace", trace},
        {"pause", [](const Words&) { return ::pause(); }},
    };
    return kActs;
}

}  // namespace

int act_by_name(const Words& words) {
    const auto found = words.empty() ? acts().end() : acts().find(words.front());
    return found == acts().end() ? kCrashed : found->second(words);
}

Copy::Copy(const std::string& name) : path_(place_.at(name)) {
    std::filesystem::copy_file(own_path(), path_);
}

int Copy::act(const Words& words) const {
    return wait_for(start(words));
}

pid_t Copy::start(const Words& words) const {
    return execute(path_, words, [] {});
}

int act_by_ourselves(const Words& words) {
    return wait_for(execute(own_path(), words, [] {}));
}

}  // namespace bulkhead::tests
