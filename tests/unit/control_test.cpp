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

TEST(Control, AllowingOneClassLeavesTheOthersAndCountsTheGeneration) {
    const __u64 changed = allowing(kDefaultControl, BH_CLASS_BPF);
    EXPECT_FALSE(BH_CONTROL_REFUSES(changed, BH_CLASS_BPF));
    EXPECT_TRUE(BH_CONTROL_REFUSES(changed, BH_CLASS_PERF));
    EXPECT_EQ(BH_CONTROL_GENERATION(changed), 2U);
    EXPECT_TRUE(BH_CONTROL_REFUSES(refusing(changed, BH_CLASS_BPF), BH_CLASS_BPF));
}

TEST(Control, ModeIsIndependentOfTheClasses) {
    const __u64 audited = with_mode(kDefaultControl, BH_MODE_AUDIT);
    EXPECT_EQ(BH_CONTROL_MODE(audited), BH_MODE_AUDIT);
    EXPECT_TRUE(BH_CONTROL_REFUSES(audited, BH_CLASS_SIGNAL));
    EXPECT_EQ(BH_CONTROL_MODE(with_mode(audited, BH_MODE_ENFORCE)), BH_MODE_ENFORCE);
}

}  // namespace
}  // namespace bulkhead::loader
