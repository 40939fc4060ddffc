// Of which kind a device is, and whether a list of kinds lets it take ioctls.
#include "bpf/decide_surface.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

constexpr __u32 device(__u32 major, __u32 minor) {
    return major << 20 | minor;
}

TEST(Surface, KnowsDevicesByTheirNumbers) {
    EXPECT_EQ(bh_device_kind_of(device(136, 0), 0), BH_DEVICE_TERMINAL);
    EXPECT_EQ(bh_device_kind_of(device(143, 7), 0), BH_DEVICE_TERMINAL);
    EXPECT_EQ(bh_device_kind_of(device(144, 0), 0), BH_DEVICE_OTHER);
    EXPECT_EQ(bh_device_kind_of(device(5, 2), 0), BH_DEVICE_TERMINAL);
    EXPECT_EQ(bh_device_kind_of(device(4, 64), 0), BH_DEVICE_TERMINAL);
    EXPECT_EQ(bh_device_kind_of(device(10, 200), 0), BH_DEVICE_TUN);
    EXPECT_EQ(bh_device_kind_of(device(10, 229), 0), BH_DEVICE_FUSE);
    EXPECT_EQ(bh_device_kind_of(device(10, 232), 0), BH_DEVICE_KVM);
    EXPECT_EQ(bh_device_kind_of(device(10, 237), 0), BH_DEVICE_LOOP);
    EXPECT_EQ(bh_device_kind_of(device(10, 1), 0), BH_DEVICE_OTHER);
    EXPECT_EQ(bh_device_kind_of(device(13, 64), 0), BH_DEVICE_INPUT);
    EXPECT_EQ(bh_device_kind_of(device(116, 3), 0), BH_DEVICE_SOUND);
    EXPECT_EQ(bh_device_kind_of(device(226, 128), 0), BH_DEVICE_GPU);
    EXPECT_EQ(bh_device_kind_of(device(8, 0), 1), BH_DEVICE_BLOCK);
    EXPECT_EQ(bh_device_kind_of(device(7, 0), 1), BH_DEVICE_LOOP);
    EXPECT_EQ(bh_device_kind_of(device(226, 0), 1), BH_DEVICE_BLOCK) << "numbers of another kind";
}

TEST(Surface, ListedKindsTakeIoctlsAndNoOthers) {
    bh_policy policy{};
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(8, 0), 1), 0) << "without a list";
    policy.flags = BH_POLICY_IOCTLS;
    policy.ioctls = 1U << BH_DEVICE_TERMINAL;
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(8, 0), 1), 1);
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(136, 3), 0), 0);
    policy.ioctls = 0;
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(136, 3), 0), 1);
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(1, 3), 0), 0) << "null";
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(1, 1), 0), 1) << "mem";
    EXPECT_EQ(bh_refuses_ioctl(&policy, device(1, 3), 1), 1) << "a RAM disk";
}

}  // namespace
}  // namespace bulkhead
