#include "bench/stage.h"

#include <sched.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "bench/process.h"

namespace bulkhead::bench {
namespace {

namespace fs = std::filesystem;

const fs::path kStage = "/run/bulkhead-bench";

Status copy(const fs::path& from, const fs::path& to) {
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error)
        return fail(Error(error.value(), "copy " + from.string() + " to " + to.string()));
    return {};
}

// Every absolute path that ldd names: libraries and the loader itself. None for a static program.
Result<std::set<std::string>> libraries_of(const std::string& program) {
    BULKHEAD_TRY_VALUE(text, output_of("ldd " + program + " 2>/dev/null"));
    std::set<std::string> found;
    std::istringstream words(text);
    for (std::string word; words >> word;)
        if (word.front() == '/')
            found.insert(word);
    return found;
}

Status copy_program(const std::string& program, const std::string& to) {
    BULKHEAD_TRY_VALUE(libraries, libraries_of(program));
    for (const std::string& library : libraries)
        BULKHEAD_TRY(copy(library, kStage.string() + library));
    return copy(program, kStage.string() + to);
}

Status mount_at(const char* source, const fs::path& target, const char* type, unsigned long flags) {
    std::error_code error;
    fs::create_directories(target, error);
    if (::mount(source, target.c_str(), type, flags, nullptr) != 0)
        return fail_errno("mount " + target.string());
    return {};
}

Status make_rootfs(const Payloads& payloads) {
    const std::string rootfs = kStage.string() + kRootfs;
    for (const char* point : {"/proc", "/sys", "/dev", "/tmp", "/etc", "/run"})
        fs::create_directories(rootfs + point);
    BULKHEAD_TRY(copy(payloads.ends_at_once, kStage.string() + kTrue));
    return copy(payloads.stays, kStage.string() + kPause);
}

// Some acts make the kernel complain each time; a line on the console costs more than the act.
void quieten_kernel() {
    constexpr int kSetConsoleLevel = 8;
    constexpr int kBelowErrors = 3;
    ::klogctl(kSetConsoleLevel, nullptr, kBelowErrors);
}

Status make_cgroup() {
    fs::create_directory(kCgroup);
    for (const std::string& cgroup : {std::string("/sys/fs/cgroup"), std::string(kCgroup)}) {
        std::ofstream file(cgroup + "/cgroup.subtree_control");
        file << "+cpu +memory +io +pids";
        file.flush();
        if (!file)
            return fail_errno("enable the controllers in " + cgroup);
    }
    return {};
}

}  // namespace

Status enter_stage(const std::vector<std::string>& programs, const Payloads& payloads) {
    quieten_kernel();
    BULKHEAD_TRY(make_cgroup());
    if (::unshare(CLONE_NEWNS) != 0)
        return fail_errno("make a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return fail_errno("make the mounts private");
    BULKHEAD_TRY(mount_at("tmpfs", kStage, "tmpfs", 0));
    for (const std::string& program : programs)
        BULKHEAD_TRY(copy_program(program, program));
    BULKHEAD_TRY(copy_program("/proc/" + std::to_string(::getpid()) + "/exe", kSelf));
    BULKHEAD_TRY(make_rootfs(payloads));
    for (const char* own : {"/proc", "/sys", "/dev"})
        BULKHEAD_TRY(mount_at(own, kStage.string() + own, nullptr, MS_BIND | MS_REC));
    for (const char* empty : {"/tmp", "/run", "/etc", "/var/lib"})
        fs::create_directories(kStage.string() + empty);
    for (const char* file : {"/etc/passwd", "/etc/group", "/etc/ld.so.cache"})
        BULKHEAD_TRY(copy(file, kStage.string() + file));
    if (::chdir(kStage.c_str()) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0 ||
        ::umount2(".", MNT_DETACH) != 0)
        return fail_errno("move onto the tmpfs");
    return {};
}

}  // namespace bulkhead::bench
