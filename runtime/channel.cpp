#include "runtime/channel.h"

#include <sys/socket.h>

#include <cerrno>

namespace bulkhead::runtime {

const char* step_name(Step step) {
    switch (step) {
        case Step::kReady:
            return "become ready";
        case Step::kBecomeRoot:
            return "become root inside";
        case Step::kJoinNamespaces:
            return "join the namespaces";
        case Step::kCgroupNamespace:
            return "make the cgroup namespace";
        case Step::kMountProc:
            return "mount /proc";
        case Step::kMountSys:
            return "mount /sys";
        case Step::kMountCgroup:
            return "mount /sys/fs/cgroup";
        case Step::kMountQueue:
            return "mount /dev/mqueue";
        case Step::kEnterRoot:
            return "enter the root file system";
        case Step::kHostname:
            return "set the host name";
        case Step::kLoopback:
            return "bring up loopback";
        case Step::kTerminal:
            return "open the terminal";
        case Step::kKeyring:
            return "make a session keyring";
        case Step::kCapabilities:
            return "drop capabilities";
        case Step::kCoreLimit:
            return "limit core dumps";
        case Step::kUser:
            return "become the user";
        case Step::kWorkdir:
            return "enter the working directory";
        case Step::kNotFound:
            return "find the command";
        case Step::kExecute:
            return "execute the command";
    }
    return "?";
}

const bh_device* Report::find(std::uint32_t dev) const {
    for (std::uint32_t i = 0; i < device_count; ++i) {
        if (devices[i].dev == dev)
            return &devices[i];
    }
    return nullptr;
}

bool Report::add(bh_device device) {
    if (find(device.dev) != nullptr)
        return true;
    if (device_count == devices.size())
        return false;
    devices[device_count++] = device;
    return true;
}

Result<std::pair<Channel, Channel>> Channel::make() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail_errno("make a socket pair");
    return std::pair(Channel(UniqueFd(ends[0])), Channel(UniqueFd(ends[1])));
}

Result<std::optional<Report>> Channel::receive() const {
    Report report;
    ssize_t got = 0;
    do {
        got = ::recv(socket_.get(), &report, sizeof report, 0);
    } while (got < 0 && errno == EINTR);
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return std::optional<Report>{};
    if (got != sizeof report)
        return fail_errno("hear from the new process");
    return report;
}

void Channel::send(const Report& report) const {
    // With the starter gone there is nobody to tell.
    (void)::send(socket_.get(), &report, sizeof report, MSG_NOSIGNAL);
}

Status Channel::go() const {
    const char go = 1;
    if (::send(socket_.get(), &go, 1, MSG_NOSIGNAL) != 1)
        return fail_errno("talk to the new process");
    return {};
}

bool Channel::wait_go() const {
    char go = 0;
    ssize_t got = 0;
    do {
        got = ::recv(socket_.get(), &go, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got == 1;
}

}  // namespace bulkhead::runtime
