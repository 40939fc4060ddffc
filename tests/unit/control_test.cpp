#include <gtest/gtest.h>

#include "bpf/wire.h"
#include "loader/environments.h"

namespace bulkhead::loader {
namespace {

TEST(Control, StartsWithEveryClassButThoseOfPoliciesRefused) {
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        EXPECT_EQ(BH_CONTROL_REFUSES(kDefaultControl, class_id), class_id < BH_FIRST_POLICY_CLASS)
            << class_id;
    EXPECT_EQ(BH_CONTROL_MODE(kDefaultControl), BH_MODE_ENFORCE);
    EXPECT_EQ(BH_CONTROL_GENERATION(kDefaultControl), 1U);
}

TEST(Control, AllowingOneClassLeavesTheOthersAndTheGeneration) {
    const __u64 allowed = changed(kDefaultControl, {.allow = 1ULL << BH_CLASS_BPF});
    EXPECT_FALSE(BH_CONTROL_REFUSES(allowed, BH_CLASS_BPF));
    EXPECT_TRUE(BH_CONTROL_REFUSES(allowed, BH_CLASS_PERF));
    EXPECT_EQ(BH_CONTROL_GENERATION(allowed), 1U);
    EXPECT_EQ(changed(allowed, {.refuse = 1ULL << BH_CLASS_BPF}), kDefaultControl);
}

TEST(Control, ModeIsIndependentOfTheClasses) {
    const __u64 audited = changed(kDefaultControl, {.mode = BH_MODE_AUDIT});
    EXPECT_EQ(BH_CONTROL_MODE(audited), BH_MODE_AUDIT);
    EXPECT_TRUE(BH_CONTROL_REFUSES(audited, BH_CLASS_SIGNAL));
    EXPECT_EQ(changed(audited, {.mode = BH_MODE_ENFORCE}), kDefaultControl);
}

TEST(Control, GenerationsFollowEachOtherAndSkipZero) {
    const __u64 second = in_generation_after(kDefaultControl, kDefaultControl);
    EXPECT_EQ(BH_CONTROL_GENERATION(second), 2U);
    EXPECT_EQ(BH_CONTROL_CLASSES(second), BH_CONTROL_CLASSES(kDefaultControl));
    const __u64 last = kDefaultControl | ~0ULL << BH_CONTROL_GENERATION_SHIFT;
    EXPECT_EQ(BH_CONTROL_GENERATION(in_generation_after(0, last)), 1U);
}

}  // namespace
}  // namespace bulkhead::loader
