// The fence's pure decisions, as the programs compile them.
#include "bpf/decide.h"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <cstring>

namespace bulkhead {
namespace {

TEST(Devices, OnlyListedSuperBlocksAreFound) {
    bh_environment env{};
    env.device_count = 2;
    env.devices[0] = {BH_DEV(0, 40), 0};
    env.devices[1] = {BH_DEV(8, 1), BH_DEVICE_SHARED};
    env.devices[2] = {BH_DEV(9, 9), 0};
    EXPECT_EQ(bh_find_device(&env, BH_DEV(0, 40)), 0);
    EXPECT_EQ(bh_find_device(&env, BH_DEV(8, 1)), BH_DEVICE_SHARED);
    EXPECT_EQ(bh_find_device(&env, BH_DEV(9, 9)), BH_DEVICE_ABSENT) << "beyond device_count";
    EXPECT_EQ(bh_find_device(&env, 0), BH_DEVICE_ABSENT);
}

TEST(Devices, ACountBeyondTheListReadsNothingBeyondIt) {
    bh_environment env{};
    env.device_count = 4000;
    EXPECT_EQ(bh_find_device(&env, BH_DEV(8, 1)), BH_DEVICE_ABSENT);
}

TEST(Devices, AnUnusedGrantGrantsNothing) {
    bh_environment env{};
    env.granted[1] = {77, BH_DEV(0, 5), 0};
    EXPECT_TRUE(bh_is_granted(&env, BH_DEV(0, 5), 77));
    EXPECT_FALSE(bh_is_granted(&env, BH_DEV(0, 6), 77));
    EXPECT_FALSE(bh_is_granted(&env, BH_DEV(0, 5), 78));
    EXPECT_FALSE(bh_is_granted(&env, 0, 0));
}

TEST(Devices, AreAllowedByNumberAndKind) {
    bh_policy policy{};
    policy.device_count = 1;
    policy.devices[0] = {BH_DEV(10, 229), 0, 3};
    policy.devices[1] = {BH_DEV(10, 200), 0, 4};
    EXPECT_TRUE(bh_allows_device(&policy, BH_DEV(10, 229), 0));
    EXPECT_FALSE(bh_allows_device(&policy, BH_DEV(10, 229), 1)) << "a block device";
    EXPECT_FALSE(bh_allows_device(&policy, BH_DEV(10, 200), 0)) << "beyond device_count";
    policy.device_count = 4000;
    EXPECT_FALSE(bh_allows_device(&policy, BH_DEV(8, 0), 1));
}

TEST(Devices, HarmlessOnesAreCountedUpByNumber) {
    for (const __u32 dev : {BH_DEV(1, 3), BH_DEV(1, 5), BH_DEV(1, 7), BH_DEV(1, 8), BH_DEV(1, 9),
                            BH_DEV(5, 0), BH_DEV(5, 2), BH_DEV(136, 0), BH_DEV(143, 255)})
        EXPECT_TRUE(bh_device_is_harmless(dev)) << dev;
    // mem, port, kmsg, tty1, console, fuse, tun, kvm, sda by number
    for (const __u32 dev : {BH_DEV(1, 1), BH_DEV(1, 4), BH_DEV(1, 11), BH_DEV(4, 1), BH_DEV(5, 1),
                            BH_DEV(10, 229), BH_DEV(10, 200), BH_DEV(10, 232), BH_DEV(8, 0)})
        EXPECT_FALSE(bh_device_is_harmless(dev)) << dev;
}

TEST(Devices, NumbersOfMknodAreThoseOfTheKernel) {
    for (const auto& [major, minor] : {std::pair(1U, 3U), {136U, 255U}, {8U, 4097U}, {4095U, 256U}})
        EXPECT_EQ(bh_device_of_node(static_cast<__u32>(makedev(major, minor))),
                  major << 20 | minor);
}

TEST(FileSystems, KernelInterfacesHaveAClassOfTheirOwn) {
    EXPECT_EQ(bh_file_system_class(BH_MAGIC_TRACEFS), BH_CLASS_KERNEL_FILES);
    EXPECT_EQ(bh_file_system_class(BH_MAGIC_EFIVARS), BH_CLASS_KERNEL_FILES);
    EXPECT_EQ(bh_file_system_class(BH_MAGIC_BPF), BH_CLASS_SELF);
    EXPECT_EQ(bh_file_system_class(BH_MAGIC_CGROUP2), BH_CLASS_CGROUPS);
    EXPECT_EQ(bh_file_system_class(BH_MAGIC_PROC), BH_CLASS_FILES);
    EXPECT_EQ(bh_file_system_class(0xef53), BH_CLASS_FILES);
}

TEST(Sockets, WhatAServerNeedsIsAllowed) {
    EXPECT_EQ(bh_socket_class(BH_AF_UNIX, BH_SOCK_DGRAM, 0), BH_ALLOWED);
    for (const int family : {BH_AF_INET, BH_AF_INET6}) {
        EXPECT_EQ(bh_socket_class(family, BH_SOCK_STREAM, 0), BH_ALLOWED);
        EXPECT_EQ(bh_socket_class(family, BH_SOCK_STREAM, BH_IPPROTO_MPTCP), BH_ALLOWED);
        EXPECT_EQ(bh_socket_class(family, BH_SOCK_DGRAM, BH_IPPROTO_UDP), BH_ALLOWED);
    }
    EXPECT_EQ(bh_socket_class(BH_AF_INET, BH_SOCK_DGRAM, BH_IPPROTO_ICMP), BH_ALLOWED);
    EXPECT_EQ(bh_socket_class(BH_AF_NETLINK, BH_SOCK_RAW, BH_NETLINK_ROUTE), BH_ALLOWED);
}

TEST(Sockets, RawPacketAndExoticOnesAreRefused) {
    EXPECT_EQ(bh_socket_class(BH_AF_INET, BH_SOCK_RAW, BH_IPPROTO_ICMP), BH_CLASS_RAW_SOCKETS);
    EXPECT_EQ(bh_socket_class(BH_AF_INET6, BH_SOCK_RAW, 0), BH_CLASS_RAW_SOCKETS);
    EXPECT_EQ(bh_socket_class(BH_AF_PACKET, BH_SOCK_DGRAM, 0), BH_CLASS_RAW_SOCKETS);
    constexpr int kSctp = 132;
    constexpr int kSequentialPackets = 5;
    EXPECT_EQ(bh_socket_class(BH_AF_INET, BH_SOCK_STREAM, kSctp), BH_CLASS_FAMILIES);
    EXPECT_EQ(bh_socket_class(BH_AF_INET, kSequentialPackets, 0), BH_CLASS_FAMILIES);
    constexpr int kAudit = 9;
    EXPECT_EQ(bh_socket_class(BH_AF_NETLINK, BH_SOCK_RAW, kAudit), BH_CLASS_FAMILIES);
    constexpr int kAlg = 38;
    constexpr int kVsock = 40;
    EXPECT_EQ(bh_socket_class(kAlg, kSequentialPackets, 0), BH_CLASS_FAMILIES);
    EXPECT_EQ(bh_socket_class(kVsock, BH_SOCK_STREAM, 0), BH_CLASS_FAMILIES);
}

TEST(Cgroups, OfAnEnvironmentsOwnOnlyThoseFilesAreDelegatedThatFillOthers) {
    const auto is_delegated = [](const char* file) {
        char name[BH_CGROUP_FILE_BYTES] = {};
        std::strncpy(name, file, sizeof name - 1);
        return bh_cgroup_file_is_delegated(name);
    };
    for (const char* file : {"cgroup.procs", "cgroup.threads", "cgroup.subtree_control"})
        EXPECT_TRUE(is_delegated(file)) << file;
    for (const char* file : {"memory.max", "pids.max", "cgroup.type", "cgroup.procs2", "cgroup",
                             "cgroup.kill", "cgroup.freeze", "cgroup.subtree_contro", ""})
        EXPECT_FALSE(is_delegated(file)) << file;
}

constexpr __u64 kAll = (1ULL << BH_MAX_CLASSES) - 1;

TEST(Capabilities, SysAdminIsRefusedInEveryUserNamespace) {
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_ADMIN, 0), BH_CLASS_CAPABILITIES);
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_ADMIN, 3), BH_CLASS_CAPABILITIES);
}

TEST(Capabilities, SysAdminGoesWithTheMountFamilyButNotOverTheMachine) {
    constexpr __u64 kMounting = kAll & ~(1ULL << BH_CLASS_MOUNTS);
    EXPECT_EQ(bh_capability_class(kMounting, BH_CAP_SYS_ADMIN, 1), BH_ALLOWED);
    EXPECT_EQ(bh_capability_class(kMounting, BH_CAP_SYS_ADMIN, 0), BH_CLASS_CAPABILITIES);
}

TEST(Capabilities, OthersAreRefusedWhereTheyReachTheMachine) {
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_MODULE, 0), BH_CLASS_CAPABILITIES);
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_TIME, 0), BH_CLASS_CLOCK);
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYSLOG, 0), BH_CLASS_SYSLOG);
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_PERFMON, 0), BH_CLASS_PERF);
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_BOOT, 1), BH_ALLOWED)
        << "ends its own namespace";
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_NICE, 0), BH_CLASS_CAPABILITIES) << "real time";
    EXPECT_EQ(bh_capability_class(kAll, BH_CAP_SYS_RESOURCE, 0), BH_CLASS_CAPABILITIES);
    for (const int ordinary : {0, 1, 6, 7, 12, 13, 18})
        EXPECT_EQ(bh_capability_class(kAll, ordinary, 0), BH_ALLOWED) << ordinary;
}

TEST(AnonymousInodes, HandlesOnTheKernelAreToldByName) {
    EXPECT_EQ(bh_anon_inode_class("[userfaultfd]\0\0\0", 0), BH_CLASS_USERFAULTFD);
    EXPECT_EQ(bh_anon_inode_class("[io_uring]\0\0\0\0\0\0", 1), BH_CLASS_IO_URING);
    EXPECT_EQ(bh_anon_inode_class("[io_uring]\0\0\0\0\0\0", 0), BH_ALLOWED);
    EXPECT_EQ(bh_anon_inode_class("[eventfd]\0\0\0\0\0\0\0", 1), BH_ALLOWED);
    for (const char* name : {"bpf-map", "bpf_link", "btf", "[perf_event]", "[io_uring]"})
        EXPECT_TRUE(bh_anon_inode_is_kernel_handle(name)) << name;
    for (const char* name :
         {"[eventfd]", "[eventpoll]", "[timerfd]", "inotify", "[signalfd]", "[pidfd]"})
        EXPECT_FALSE(bh_anon_inode_is_kernel_handle(name)) << name;
}

TEST(Ioctls, TypingAndSignalsHaveAClass) {
    EXPECT_EQ(bh_ioctl_class(BH_TIOCSTI), BH_CLASS_DEVICES);
    EXPECT_EQ(bh_ioctl_class(BH_KDSKBSENT), BH_CLASS_DEVICES);
    EXPECT_EQ(bh_ioctl_class(BH_SIOCSPGRP), BH_CLASS_SIGNAL);
    constexpr __u32 kTermiosOf = 0x5401;
    EXPECT_EQ(bh_ioctl_class(kTermiosOf), BH_ALLOWED);
}

TEST(Descriptors, SignalOnlyTheirOwnProcess) {
    constexpr __u32 kSetFlags = 4;
    EXPECT_FALSE(bh_fcntl_names_owner(kSetFlags));
    EXPECT_TRUE(bh_fcntl_names_owner(BH_F_SETOWN));
    for (const int own : {0, 77, -77})
        EXPECT_TRUE(bh_owner_is_own(BH_F_SETOWN, own, 77)) << own;
    EXPECT_FALSE(bh_owner_is_own(BH_F_SETOWN, 78, 77));
    EXPECT_FALSE(bh_owner_is_own(BH_F_SETOWN_EX, 77, 77)) << "a pointer, not a process";
}

TEST(Keys, OnlyTheQuestionToTheHostIsAnUpcall) {
    EXPECT_TRUE(bh_key_type_is_upcall(".request_key_auth"));
    for (const char* type : {"user", "keyring", "logon", ".dns", ""})
        EXPECT_FALSE(bh_key_type_is_upcall(type)) << type;
}

TEST(Proc, OnlyADirectoryOfAProcessHasADigit) {
    EXPECT_TRUE(bh_is_pid_name("1"));
    EXPECT_TRUE(bh_is_pid_name("4711"));
    EXPECT_FALSE(bh_is_pid_name("sys"));
    EXPECT_FALSE(bh_is_pid_name(""));
}

}  // namespace
}  // namespace bulkhead
