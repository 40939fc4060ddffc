#include "runtime/adopt_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "runtime/cgroup.h"

namespace bulkhead::runtime {
namespace {

namespace fs = std::filesystem;

Error bad_target(const std::string& what) {
    return Error(0, what, Fault::kUsage)
        .advise(
            "name a cgroup by its path, a process by its id, or a unit such as nginx.service; "
            "systemd-cgls shows them");
}

// The line of the unified hierarchy: "0::/system.slice/nginx.service".
Result<std::string> cgroup_of(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/cgroup");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("0::"))
            return line.substr(3);
    }
    return fail(bad_target("no process has the id " + pid));
}

std::string without_mount_point(std::string path) {
    if (path.starts_with(kCgroupRoot))
        path.erase(0, kCgroupRoot.size());
    while (path.size() > 1 && path.back() == '/')
        path.pop_back();
    return path.empty() ? "/" : path;
}

Result<std::string> cgroup_of_unit(const std::string& unit) {
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(
             std::string(kCgroupRoot), fs::directory_options::skip_permission_denied, error)) {
        if (entry.is_directory(error) && entry.path().filename() == unit)
            found.push_back(without_mount_point(entry.path()));
    }
    if (found.empty())
        return fail(bad_target("no cgroup is named " + unit + ": is the unit running?"));
    if (found.size() > 1)
        return fail(
            bad_target("several cgroups are named " + unit + ": " + found[0] + ", " + found[1]));
    return found.front();
}

bool is_number(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char letter) { return letter >= '0' && letter <= '9'; });
}

Result<std::string> find_cgroup(const std::string& target) {
    if (is_number(target))
        return cgroup_of(target);
    if (!target.starts_with('/'))
        return cgroup_of_unit(target);
    return without_mount_point(target);
}

bool holds(const std::string& cgroup, const std::string& other) {
    return other == cgroup || other.starts_with(cgroup + "/");
}

Result<std::string> namespace_of(pid_t pid, const char* kind) {
    const std::string link = "/proc/" + std::to_string(pid) + "/ns/" + kind;
    std::error_code error;
    std::string name = fs::read_symlink(link, error);
    if (error)
        return fail(Error(error.value(), "read " + link));
    return name;
}

__u32 inode_in(const std::string& name) {
    __u32 inode = 0;
    const std::size_t digits = name.find('[') + 1;
    std::from_chars(name.data() + digits, name.data() + name.size(), inode);
    return inode;
}

// A process that ended meanwhile is of no interest.
Status check_shared(const std::vector<pid_t>& pids, const char* kind, const std::string& name) {
    for (const pid_t pid : pids) {
        const auto other = namespace_of(pid, kind);
        if (other && *other != name)
            return fail(
                Error(EXDEV,
                      "the processes in the cgroup live in several " + std::string(kind) +
                          " namespaces: " + std::to_string(pids.front()) + " and " +
                          std::to_string(pid) + " differ",
                      Fault::kUsage)
                    .advise("adopt the cgroup of one of them; one environment has one root"));
    }
    return {};
}

// What the kernel shows of itself: read by everybody, written by nobody.
bool is_readable_interface(const std::string& type) {
    return type == "sysfs" || type == "cgroup2" || type == "cgroup";
}

struct MountLine {
    __u32 dev = 0;
    std::string type;
};

// "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw"
MountLine parse_mount(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    MountLine mount;
    unsigned major = 0;
    unsigned minor = 0;
    char colon = 0;
    words >> word >> word >> major >> colon >> minor;
    mount.dev = major << 20 | minor;
    while (words >> word && word != "-")
        continue;
    words >> mount.type;
    return mount;
}

// The programs know the rest by its mounts; see bh_adopted_device.
void list_interfaces(pid_t pid, bh_environment& record) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const MountLine mount = parse_mount(line);
        bh_device* end = record.devices + record.device_count;
        const bool listed = std::any_of(
            record.devices, end, [&](const bh_device& device) { return device.dev == mount.dev; });
        if (!listed && is_readable_interface(mount.type) && record.device_count < BH_MAX_DEVICES)
            record.devices[record.device_count++] = {mount.dev,
                                                     BH_DEVICE_SHARED | BH_DEVICE_READ_ONLY};
    }
}

}  // namespace

Result<std::string> resolve_target(const std::string& target) {
    BULKHEAD_TRY_VALUE(cgroup, find_cgroup(target));
    struct stat info {};
    if (::stat((std::string(kCgroupRoot) + cgroup).c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
        return fail(bad_target("there is no cgroup " + cgroup));
    if (cgroup == "/")
        return fail(bad_target("the root cgroup holds the whole machine"));
    const std::string ours = without_mount_point(std::string(kEnvironmentsCgroup));
    if (holds(cgroup, ours) || holds(ours, cgroup))
        return fail(bad_target("the cgroup " + cgroup + " holds environments already"));
    BULKHEAD_TRY_VALUE(own, cgroup_of("self"));
    if (holds(cgroup, own))
        return fail(bad_target("the cgroup " + cgroup + " holds this very command"));
    return cgroup;
}

Result<std::vector<pid_t>> processes_in(const std::string& cgroup) {
    std::vector<pid_t> pids;
    const auto read = [&](const fs::path& directory) {
        std::ifstream file(directory / "cgroup.procs");
        for (pid_t pid = 0; file >> pid;)
            pids.push_back(pid);
    };
    const fs::path top = std::string(kCgroupRoot) + cgroup;
    read(top);
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(top, error)) {
        if (entry.is_directory(error))
            read(entry.path());
    }
    if (pids.empty())
        return fail(bad_target("no process runs in the cgroup " + cgroup));
    return pids;
}

Status describe_processes(const std::vector<pid_t>& pids, bh_environment& record) {
    for (const char* kind : {"mnt", "net"}) {
        BULKHEAD_TRY_VALUE(name, namespace_of(pids.front(), kind));
        BULKHEAD_TRY(check_shared(pids, kind, name));
    }
    BULKHEAD_TRY_VALUE(mounts, namespace_of(pids.front(), "mnt"));
    BULKHEAD_TRY_VALUE(network, namespace_of(pids.front(), "net"));
    BULKHEAD_TRY_VALUE(own_network, namespace_of(::getpid(), "net"));
    record.mnt_ns = inode_in(mounts);
    record.net_ns = inode_in(network);
    if (network == own_network)
        record.flags |= BH_ENV_HOST_NETWORK;
    list_interfaces(pids.front(), record);
    return {};
}

}  // namespace bulkhead::runtime
