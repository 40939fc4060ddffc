// From the kernel's rows to what was done, as the environment names it.
#include "runtime/learned.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>

namespace bulkhead::runtime {
namespace {

constexpr std::uint32_t kRoot = 5, kTmp = 6, kHost = 7;

// Of /dev the environment has files of the host's, and of /srv a directory.
std::vector<MountPoint> mounts() {
    return {{1, kRoot, "/", "/"},
            {2, kTmp, "/", "/tmp"},
            {3, kHost, "/null", "/dev/null"},
            {4, kHost, "/data/site", "/srv"},
            {5, kHost, "/data/site/public", "/var/www"}};
}

loader::LearnedRow file_row(std::uint32_t dev, const std::vector<std::string>& leaf_first,
                            std::uint32_t rights, bh_hook hook = BH_HOOK_file_open) {
    loader::LearnedRow row;
    row.key.kind = BH_LEARNED_FILE;
    row.key.class_id = rights == BH_RIGHT_EXECUTE ? BH_CLASS_EXECUTION : BH_CLASS_PATHS;
    row.key.access = rights;
    row.key.hook = static_cast<__u16>(hook);
    row.value.count = 1;
    row.value.object[0] = dev;
    for (const std::string& name : leaf_first) {
        std::memcpy(row.value.text + row.value.text_bytes, name.c_str(), name.size() + 1);
        row.value.text_bytes += static_cast<__u32>(name.size() + 1);
    }
    return row;
}

policy::Observations seen(const std::vector<loader::LearnedRow>& rows) {
    return observe(rows, mounts(), 0);
}

std::string path_of(std::uint32_t dev, const std::vector<std::string>& leaf_first) {
    const auto observed = seen({file_row(dev, leaf_first, BH_RIGHT_READ)});
    return observed.files.empty() ? "" : observed.files.front().path;
}

TEST(Learned, PathsAreThoseOfTheMountsThatShowThem) {
    EXPECT_EQ(path_of(kRoot, {"passwd", "etc"}), "/etc/passwd");
    EXPECT_EQ(path_of(kRoot, {}), "/");
    EXPECT_EQ(path_of(kTmp, {"x"}), "/tmp/x");
    EXPECT_EQ(path_of(kTmp, {}), "/tmp");
    EXPECT_EQ(path_of(kHost, {"null"}), "/dev/null");
    EXPECT_EQ(path_of(kHost, {"a", "site", "data"}), "/srv/a");
    EXPECT_EQ(path_of(kHost, {"a", "public", "site", "data"}), "/var/www/a");
}

TEST(Learned, WhatNoMountShowsHasNoName) {
    const auto observed = seen({file_row(kHost, {"sites", "data"}, BH_RIGHT_READ)});
    EXPECT_TRUE(observed.files.empty());
    EXPECT_EQ(observed.nameless.at(BH_CLASS_PATHS).count, 1U);
    EXPECT_EQ(seen({file_row(99, {"x"}, BH_RIGHT_EXECUTE)}).nameless.count(BH_CLASS_EXECUTION), 1U);
    auto unknown = file_row(kRoot, {}, BH_RIGHT_EXECUTE);
    unknown.value.flags = BH_REFUSAL_INTERNAL;
    EXPECT_EQ(seen({unknown}).nameless.count(BH_CLASS_EXECUTION), 1U);
}

TEST(Learned, TellsUsingAFileFromChangingItsName) {
    auto directory = file_row(kRoot, {"d"}, BH_RIGHT_READ);
    directory.value.object[2] = S_IFDIR | 0755;
    const auto made = file_row(kRoot, {"m"}, BH_RIGHT_WRITE, BH_HOOK_path_mkdir);
    auto linked = file_row(kRoot, {"l"}, BH_RIGHT_READ);
    linked.value.flags = BH_LEARNED_LINKED;
    const auto observed = seen({file_row(kRoot, {"a"}, BH_RIGHT_WRITE, BH_HOOK_path_mknod),
                                file_row(kRoot, {"a"}, BH_RIGHT_WRITE, BH_HOOK_path_truncate),
                                directory, linked, made});
    ASSERT_EQ(observed.files.size(), 5U);
    EXPECT_EQ(observed.files[0].act, policy::FileAct::kNamed);
    EXPECT_EQ(observed.files[1].act, policy::FileAct::kUsed);
    EXPECT_TRUE(observed.files[2].is_directory);
    EXPECT_TRUE(observed.files[3].has_other_names);
    EXPECT_TRUE(observed.files[4].is_directory);
}

TEST(Learned, FindsBothEndsOfAMove) {
    auto from = file_row(kRoot, {"a"}, BH_RIGHT_WRITE, BH_HOOK_path_rename);
    auto to = file_row(kRoot, {"b"}, BH_RIGHT_WRITE, BH_HOOK_path_rename);
    from.key.object[0] = 11;
    from.value.object[2] = S_IFDIR;
    to.key.object[0] = 12;
    loader::LearnedRow move;
    move.key.kind = BH_LEARNED_MOVE;
    move.key.object[0] = 11;
    move.key.object[1] = 12;
    const auto observed = seen({move, from, to});
    ASSERT_EQ(observed.moves.size(), 1U);
    EXPECT_EQ(observed.moves[0].from, "/a");
    EXPECT_EQ(observed.moves[0].to, "/b");
    EXPECT_TRUE(observed.moves[0].is_directory);
}

TEST(Learned, AddressesPortsAndCapabilities) {
    loader::LearnedRow address, port, capability, beyond, frame;
    address.key.kind = frame.key.kind = BH_LEARNED_ADDRESS;
    address.key.class_id = frame.key.class_id = BH_CLASS_EGRESS;
    address.key.access = IPPROTO_TCP << 16 | 443;
    const auto target = policy::parse_target("10.0.0.1:443/tcp");
    std::memcpy(address.key.object, target.value->prefix.address.data(), 16);
    address.value.object[0] = AF_INET;
    frame.value.object[0] = AF_PACKET;
    port.key.kind = BH_LEARNED_PORT;
    port.key.access = IPPROTO_UDP << 16 | 53;
    capability.key.kind = beyond.key.kind = BH_LEARNED_CAPABILITY;
    capability.key.class_id = BH_CLASS_DROPPED_CAPABILITIES;
    beyond.key.class_id = BH_CLASS_CAPABILITIES;
    beyond.key.object[0] = 21;
    const auto observed = seen({address, port, capability, beyond, frame});
    ASSERT_EQ(observed.addresses.size(), 1U);
    EXPECT_EQ(observed.addresses[0].address, target.value->prefix);
    EXPECT_EQ(observed.addresses[0].port, 443);
    EXPECT_EQ(observed.addresses[0].protocol, IPPROTO_TCP);
    ASSERT_EQ(observed.ports.size(), 1U);
    EXPECT_EQ(observed.ports[0].port, 53);
    EXPECT_EQ(observed.ports[0].protocol, IPPROTO_UDP);
    EXPECT_EQ(observed.capabilities, (std::set<unsigned>{0, 21}));
    EXPECT_EQ(observed.classes.size(), 1U);
    EXPECT_EQ(observed.classes.at(BH_CLASS_CAPABILITIES).example, "cap_sys_admin");
    EXPECT_EQ(observed.nameless.count(BH_CLASS_EGRESS), 1U);
}

loader::LearnedRow of_class(bh_class class_id, bh_hook hook, std::uint32_t dev,
                            const std::vector<std::string>& leaf_first, std::uint32_t access) {
    loader::LearnedRow row = file_row(dev, leaf_first, access, hook);
    row.key.class_id = static_cast<__u8>(class_id);
    return row;
}

TEST(Learned, TellsCgroupsOfItsOwnFromOthers) {
    const auto make = [](std::uint32_t access) {
        return of_class(BH_CLASS_CGROUPS, BH_HOOK_path_mkdir, kRoot, {"cgroup"}, access);
    };
    const auto own = seen({make(BH_ACCESS_WRITE | BH_ACCESS_OWN_CGROUP)});
    EXPECT_EQ(own.own_cgroups.count, 1U);
    EXPECT_TRUE(own.classes.empty());
    const auto other = seen({make(BH_ACCESS_WRITE)});
    EXPECT_EQ(other.own_cgroups.count, 0U);
    EXPECT_EQ(other.classes.count(BH_CLASS_CGROUPS), 1U);
}

TEST(Learned, NamesDevicesThatAPolicyCanName) {
    const auto open = [](const std::vector<std::string>& leaf_first, bh_hook hook) {
        return of_class(BH_CLASS_DEVICES, hook, kRoot, leaf_first, BH_ACCESS_WRITE);
    };
    const auto named = seen({open({"fuse", "dev"}, BH_HOOK_file_open)});
    EXPECT_EQ(named.devices.count("/dev/fuse"), 1U);
    EXPECT_TRUE(named.classes.empty());
    const auto elsewhere = seen({open({"fuse", "srv"}, BH_HOOK_file_open)});
    EXPECT_EQ(elsewhere.classes.at(BH_CLASS_DEVICES).example, "/srv/fuse");
    const auto made = seen({open({"sda", "dev"}, BH_HOOK_path_mknod)});
    EXPECT_TRUE(made.devices.empty());
    EXPECT_EQ(made.classes.count(BH_CLASS_DEVICES), 1U);
}

TEST(Learned, KnowsWhatWasMountedMeanwhile) {
    const auto observed =
        seen({file_row(99, {"x"}, BH_RIGHT_READ), file_row(99, {"y"}, BH_RIGHT_WRITE),
              of_class(BH_CLASS_MOUNTS, BH_HOOK_sb_mount, kRoot, {"run"}, MS_NOSUID),
              of_class(BH_CLASS_MOUNTS, BH_HOOK_sb_mount, kRoot, {"usr"}, MS_BIND | MS_REMOUNT),
              of_class(BH_CLASS_MOUNTS, BH_HOOK_sb_umount, kRoot, {"mnt"}, 0)});
    EXPECT_EQ(observed.mounted.rights, std::uint32_t{BH_RIGHT_READ | BH_RIGHT_WRITE});
    EXPECT_EQ(observed.mounted.files.count, 2U);
    EXPECT_EQ(observed.mounted.points, std::vector<std::string>{"/run"});
    EXPECT_EQ(observed.classes.at(BH_CLASS_MOUNTS).count, 3U);
    EXPECT_TRUE(observed.nameless.empty());
}

TEST(Learned, TheCapabilityForMountingIsOfTheFamilyInside) {
    loader::LearnedRow row;
    row.key.kind = BH_LEARNED_CAPABILITY;
    row.key.class_id = BH_CLASS_CAPABILITIES;
    row.key.object[0] = 21;
    row.key.object[1] = 1;
    EXPECT_EQ(seen({row}).classes.count(BH_CLASS_MOUNTS), 1U);
    row.key.object[1] = 0;
    EXPECT_EQ(seen({row}).classes.count(BH_CLASS_CAPABILITIES), 1U);
}

TEST(Learned, SysctlsThatAListCanNameHaveTheirNames) {
    loader::LearnedRow forward = file_row(kRoot, {"ip_forward", "ipv4", "net", "sys"}, 1);
    loader::LearnedRow swap = file_row(kRoot, {"swappiness", "vm", "sys"}, 1);
    loader::LearnedRow made = file_row(kRoot, {"ipv4", "net", "sys"}, 1, BH_HOOK_path_mknod);
    for (loader::LearnedRow* row : {&forward, &swap, &made})
        row->key.class_id = BH_CLASS_SYSCTL;
    const auto observed = seen({forward, forward, made});
    ASSERT_EQ(observed.sysctls.size(), 1U);
    EXPECT_EQ(observed.sysctls.at("net.ipv4.ip_forward"), 2U);
    EXPECT_FALSE(observed.classes.contains(BH_CLASS_SYSCTL));
    EXPECT_TRUE(seen({swap}).classes.contains(BH_CLASS_SYSCTL)) << "the machine's";
}

}  // namespace
}  // namespace bulkhead::runtime
