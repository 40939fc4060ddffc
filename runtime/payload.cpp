#include "runtime/payload.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "runtime/user.h"

namespace bulkhead::runtime {
namespace {

constexpr int kExitOurs = 125;
constexpr int kExitCannotExecute = 126;
constexpr int kExitNotFound = 127;

constexpr std::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// What root inside keeps, whatever its policy: power over its own files, ids, ports and processes.
// Nothing that changes mounts, devices, the network's configuration or the kernel.
constexpr std::array kKeptCapabilities = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,           CAP_KILL,
    CAP_SETGID,  CAP_SETUID,       CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
    CAP_SETFCAP, CAP_AUDIT_WRITE,
};

Report failed(Step step) {
    Report report;
    report.step = step;
    report.error = errno;
    return report;
}

std::uint64_t default_mask() {
    std::uint64_t mask = 0;
    for (const int capability : kKeptCapabilities)
        mask |= 1ULL << capability;
    return mask;
}

bool set_capabilities(std::uint64_t mask) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (int half = 0; half < 2; ++half) {
        const auto part = static_cast<__u32>(mask >> (32 * half));
        data[half].effective = part;
        data[half].permitted = part;
    }
    return ::syscall(SYS_capset, &header, data) == 0;
}

// Root with root's own group, as which the process comes here.
bool is_plain_root(const User& user) {
    return user.uid == 0 && user.gid == 0 &&
           std::all_of(user.groups.begin(), user.groups.end(), [](gid_t one) { return one == 0; });
}

// Root needs no capability, which the policy may have taken already.
bool become_user(const User& user) {
    if (is_plain_root(user))
        return true;
    return ::setgroups(user.groups.size(), user.groups.data()) == 0 &&
           ::setresgid(user.gid, user.gid, user.gid) == 0 &&
           ::setresuid(user.uid, user.uid, user.uid) == 0;
}

// The defaults, then what the specification says, which wins.
std::vector<std::string> build_environment(const ProcessSpec& process, const User& user,
                                           const std::string& hostname) {
    std::vector<std::string> variables = {std::string(kDefaultPath), "HOME=" + user.home,
                                          "USER=" + user.name, "HOSTNAME=" + hostname,
                                          "container=bulkhead"};
    if (process.terminal == TerminalKind::kTerminal) {
        const char* term = std::getenv("TERM");
        variables.push_back(std::string("TERM=") + (term != nullptr ? term : "xterm"));
    }
    for (const std::string& wanted : process.env) {
        const std::string prefix = wanted.substr(0, wanted.find('=') + 1);
        std::erase_if(variables, [&](const std::string& v) { return v.starts_with(prefix); });
        variables.push_back(wanted);
    }
    return variables;
}

std::string value_of(const std::vector<std::string>& variables, std::string_view prefix) {
    for (const std::string& variable : variables) {
        if (variable.starts_with(prefix))
            return variable.substr(prefix.size());
    }
    return {};
}

bool is_executable_file(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0)
        return false;
    if (!S_ISREG(info.st_mode)) {
        errno = S_ISDIR(info.st_mode) ? EISDIR : EACCES;
        return false;
    }
    return ::access(path.c_str(), X_OK) == 0;
}

// The file that a shell would run, by the environment's PATH. Empty with errno set when there is
// none: EACCES outweighs ENOENT, as in shells.
std::string find_command(const std::string& command, const std::string& search) {
    if (command.find('/') != std::string::npos)
        return is_executable_file(command) ? command : std::string();
    int error = ENOENT;
    std::size_t begin = 0;
    while (begin <= search.size()) {
        std::size_t end = std::min(search.find(':', begin), search.size());
        std::string candidate = search.substr(begin, end - begin) + "/" + command;
        if (is_executable_file(candidate))
            return candidate;
        if (errno != ENOENT && errno != ENOTDIR)
            error = errno;
        begin = end + 1;
    }
    errno = error;
    return {};
}

// A crash inside would start the host's core_pattern helper, as root in the host's namespaces, with
// the crashed memory as its input. A limit of 1, and only 1, tells the kernel not to.
bool keep_cores_from_host() {
    constexpr rlimit kNoHelper{1, 1};
    return ::setrlimit(RLIMIT_CORE, &kNoHelper) == 0;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> result;
    result.reserve(strings.size() + 1);
    for (const std::string& string : strings)
        result.push_back(const_cast<char*>(string.c_str()));
    result.push_back(nullptr);
    return result;
}

void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal)
        ::signal(signal, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

pid_t reaped_child = -1;

void pass_on(int signal) {
    ::kill(reaped_child, signal);
}

// Init for one command: passes signals on, reaps every orphan, ends as the command ended.
[[noreturn]] void reap_until_end(pid_t child) {
    reaped_child = child;
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH})
        ::signal(signal, pass_on);
    while (true) {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, 0);
        if (ended == child)
            ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (ended < 0 && errno == ECHILD)
            ::_exit(kExitOurs);
    }
}

// With a reaper, the parent of the command stays here. The channel is closed in it, so that
// end-of-file still means "executed".
Report fork_under_reaper() {
    const pid_t child = ::fork();
    if (child < 0)
        return failed(Step::kExecute);
    if (child > 0) {
        ::close_range(3, ~0U, 0);
        reap_until_end(child);
    }
    return {};
}

}  // namespace

std::uint64_t capabilities_of(const loader::Rules& rules) {
    const bool keeps = BH_CONTROL_REFUSES(rules.control, BH_CLASS_DROPPED_CAPABILITIES) != 0;
    return default_mask() | rules.lent_capabilities | (keeps ? rules.policy.capabilities : 0);
}

std::uint64_t capabilities_of(pid_t process) {
    constexpr std::string_view kBounding = "CapBnd:";
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(kBounding))
            return std::strtoull(line.c_str() + kBounding.size(), nullptr, 16);
    }
    return default_mask();
}

bool drop_bounding_set(std::uint64_t kept) {
    // EINVAL: the kernel knows no capability of this number or a higher one.
    for (int capability = 0; capability < 64; ++capability) {
        if ((kept >> capability & 1) != 0)
            continue;
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
            return errno == EINVAL;
    }
    return true;
}

Report become_payload(const ProcessSpec& process, std::uint64_t capabilities,
                      const std::string& hostname) {
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0)
        return failed(Step::kKeyring);
    if (!keep_cores_from_host())
        return failed(Step::kCoreLimit);
    auto user = look_up_user(process.user);
    if (!user) {
        errno = user.error().code();
        return failed(Step::kUser);
    }
    if (!become_user(*user))
        return failed(Step::kUser);
    if (!set_capabilities(user->uid == 0 ? capabilities : 0))
        return failed(Step::kCapabilities);

    const std::string workdir = !process.workdir.empty() ? process.workdir : user->home;
    if (::chdir(workdir.c_str()) != 0 && (!process.workdir.empty() || ::chdir("/") != 0))
        return failed(Step::kWorkdir);

    const std::vector<std::string> variables = build_environment(process, *user, hostname);
    const std::string file = find_command(process.argv.front(), value_of(variables, "PATH="));
    if (file.empty())
        return failed(Step::kNotFound);
    reset_signals();
    ::umask(022);
    if (process.init == InitKind::kReaper) {
        if (const Report report = fork_under_reaper(); report.error != 0)
            return report;
    }
    ::execve(file.c_str(), pointers(process.argv).data(), pointers(variables).data());
    return failed(Step::kExecute);
}

int exit_code_of(const Report& report) {
    if (report.step == Step::kNotFound && (report.error == ENOENT || report.error == ENOTDIR))
        return kExitNotFound;
    if (report.step == Step::kNotFound || report.step == Step::kExecute)
        return report.error == ENOENT ? kExitNotFound : kExitCannotExecute;
    return kExitOurs;
}

}  // namespace bulkhead::runtime
