// What crosses the border becomes the narrowest key that the language has for it.
#include "tests/unit/learn_support.h"

namespace bulkhead::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Learn, DevicesAreNamed) {
    Observations seen = program();
    seen.devices["/dev/fuse"] = {2, ""};
    seen.files.push_back(used("/dev/fuse", kRead | kWrite));
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "device", "/dev/fuse"));
    EXPECT_FALSE(allows(policy, "device", "/dev/kvm"));
    EXPECT_FALSE(allows(policy, "class", "devices"));
    EXPECT_THAT(text_of(seen), HasSubstr("allow_devices = [\n  \"/dev/fuse\","));
}

TEST(Learn, MoreDevicesThanAreNamedAreTheirClass) {
    Observations seen = program();
    for (int i = 0; i < BH_MAX_ALLOWED_DEVICES; ++i)
        seen.devices["/dev/loop" + std::to_string(i)] = {1, ""};
    EXPECT_FALSE(allows(learned(seen), "class", "devices"));
    seen.devices["/dev/fuse"] = {1, ""};
    const std::string text = text_of(seen);
    EXPECT_TRUE(allows(learned(seen), "class", "devices")) << text;
    EXPECT_THAT(text, HasSubstr("9 devices, more than allow_devices takes, first: /dev/fuse"));
    EXPECT_THAT(text, Not(HasSubstr("allow_devices = [")));
}

TEST(Learn, ADeviceThatNoNameIsKnownOfIsItsClass) {
    Observations seen = program();
    seen.devices["/dev/fuse"] = {1, ""};
    seen.classes[BH_CLASS_DEVICES] = {1, "/tmp/disk"};
    EXPECT_TRUE(allows(learned(seen), "class", "devices"));
    EXPECT_THAT(text_of(seen), Not(HasSubstr("allow_devices")));
}

TEST(Learn, CgroupsOfItsOwnAreNotAllCgroups) {
    Observations seen = program();
    seen.own_cgroups = {7, "/sys/fs/cgroup/a"};
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "cgroup", "own"));
    EXPECT_FALSE(allows(policy, "class", "cgroups"));
    seen.classes[BH_CLASS_CGROUPS] = {1, "/sys/fs/cgroup/memory.max"};
    EXPECT_TRUE(allows(learned(seen), "class", "cgroups"));
}

// The default is all that reaches there; the rest has no more than before.
TEST(Learn, WhatIsMountedMeanwhileHasTheDefaultsRights) {
    Observations seen = program();
    seen.root = {"boot", "etc", "run", "usr"};
    seen.files.push_back(listed("/etc"));
    seen.mounted = {kRead | kWrite, {9, "/lock"}, {"/run", "/dev/shm"}};
    const policy::Policy policy = learned(seen);
    EXPECT_THAT(text_of(seen), HasSubstr("9 openings, first: /lock"));
    EXPECT_THAT(text_of(seen), HasSubstr("# /run is given by that: mounted in the run"));
    EXPECT_TRUE(allows(policy, "open-write", "/run/lock"));
    EXPECT_TRUE(allows(policy, "open-write", "/dev/shm/x"));
    EXPECT_TRUE(allows(policy, "open-read", "/etc/passwd"));
    EXPECT_FALSE(allows(policy, "open-write", "/etc/passwd"));
    EXPECT_FALSE(allows(policy, "open-write", "/usr/bin/true"));
    EXPECT_FALSE(allows(policy, "open-read", "/boot/vmlinuz"));
    EXPECT_FALSE(allows(policy, "open-read", "/dev/disk"));
    EXPECT_FALSE(allows(policy, "exec", "/usr/bin/false"));
}

TEST(Learn, WhatIsOnlyReadWhereItIsMountedIsReadByDefault) {
    Observations seen = program();
    seen.root = {"etc", "mnt", "usr"};
    seen.mounted = {kRead, {1, "/file"}, {"/mnt"}};
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "open-read", "/mnt/file"));
    EXPECT_FALSE(allows(policy, "open-write", "/mnt/file"));
    EXPECT_FALSE(allows(policy, "open-read", "/etc/passwd"));
}

TEST(Learn, TheKeysBesideASectionThatLearnsStay) {
    const policy::Policy policy =
        compiled(text_of(program(),
                         "[files]\nmode = \"learn\"\nallow_devices = [\"/dev/fuse\"]\n"
                         "[kernel]\nmode = \"learn\"\ncgroups = \"own\"\n"));
    EXPECT_TRUE(allows(policy, "device", "/dev/fuse"));
    EXPECT_TRUE(allows(policy, "cgroup", "own"));
}

// So that their use can be seen at all.
TEST(Learn, AStartStillGivesWhatThePolicyNames) {
    const policy::Policy policy = compiled(
        "mode = \"learn\"\n[files]\nallow_devices = [\"/dev/fuse\"]\n"
        "[capabilities]\nkeep = [\"sys_admin\"]\n");
    EXPECT_EQ(policy.rules.lent_capabilities, 1ULL << 21);
    EXPECT_EQ(policy.rules.policy.capabilities, 0U);
    EXPECT_EQ(policy.rules.devices.size(), 1U);
}

TEST(Learn, ManyCapabilitiesAreWrittenInRows) {
    Observations seen = program();
    for (unsigned capability = 0; capability < 24; ++capability)
        seen.capabilities.insert(capability);
    learned(seen);
    const std::string text = text_of(seen);
    for (std::size_t begin = text.find("keep ="); begin < text.size();) {
        const std::size_t end = text.find('\n', begin);
        EXPECT_LE(end - begin, 100U) << text.substr(begin, end - begin);
        begin = end + 1;
    }
}

}  // namespace
}  // namespace bulkhead::tests
