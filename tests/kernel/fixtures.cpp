#include "tests/kernel/fixtures.h"

#include <bpf/btf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "loader/pins.h"

namespace bulkhead::tests {

Tmpfs::Tmpfs() {
    char pattern[] = "/run/bulkhead-test-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern), nullptr);
    path_ = pattern;
    EXPECT_EQ(::mount("tmpfs", pattern, "tmpfs", 0, "mode=755"), 0) << errno;
    directory_ = UniqueFd(::open(pattern, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Tmpfs::~Tmpfs() {
    directory_ = UniqueFd();
    EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0);
    ::rmdir(path_.c_str());
}

void Tmpfs::write(const std::string& name) const {
    std::ofstream(at(name)) << "content\n";
}

void Tmpfs::make_directory(const std::string& name) const {
    EXPECT_EQ(::mkdir(at(name).c_str(), 0755), 0);
}

bool Tmpfs::has(const std::string& name) const {
    struct stat info {};
    return ::lstat(at(name).c_str(), &info) == 0;
}

__u32 device_of(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    return static_cast<__u32>(major(info.st_dev) << 20 | minor(info.st_dev));
}

__u32 own_mount_namespace() {
    struct stat info {};
    EXPECT_EQ(::stat("/proc/self/ns/mnt", &info), 0);
    return static_cast<__u32>(info.st_ino);
}

int outcome(long result) {
    return result < 0 ? errno : 0;
}

int opened(int fd) {
    if (fd < 0)
        return errno;
    ::close(fd);
    return 0;
}

int receive(int fd) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0)
        return errno;
    char byte = 'x';
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fd)> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (::sendmsg(ends[0], &message, 0) != 1 || ::recvmsg(ends[1], &message, 0) != 1)
        return errno;
    return (message.msg_flags & MSG_CTRUNC) != 0 ? EPERM : 0;
}

unsigned owned_objects() {
    const auto map = loader::open_pinned_map<__u64, bh_label>("bh_objects");
    EXPECT_TRUE(map.has_value());
    unsigned rows = 0;
    EXPECT_TRUE(map->for_each_key([&](__u64) { ++rows; }).has_value());
    return rows;
}

bool has_hook(const std::string& hook) {
    const std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
    const std::string name = "bpf_lsm_" + hook;
    return kernel && btf__find_by_name_kind(kernel.get(), name.c_str(), BTF_KIND_FUNC) > 0;
}

}  // namespace bulkhead::tests
