// Which file does not become code.
#include "bpf/decide_code.h"

#include <gtest/gtest.h>

namespace bulkhead {
namespace {

constexpr __u64 kStart = 1'700'000'000'500'000'000;

bh_change_time at(__s64 seconds, __u32 nanoseconds, __u32 granularity_ns = 1) {
    return {seconds, nanoseconds, granularity_ns};
}

TEST(Code, WithoutANameItLiesInNoDirectory) {
    EXPECT_TRUE(bh_lies_in_no_directory(0, 0));
    EXPECT_TRUE(bh_lies_in_no_directory(1, BH_SB_NOUSER));
    EXPECT_FALSE(bh_lies_in_no_directory(1, 0));
    EXPECT_FALSE(bh_lies_in_no_directory(3, 1));
}

TEST(Code, WhatChangedBeforeTheStartMayRun) {
    const bh_change_time before = at(1'700'000'000, 499'999'999);
    const bh_change_time same = at(1'700'000'000, 500'000'000);
    const bh_change_time after = at(1'700'000'001, 0);
    EXPECT_FALSE(bh_changed_since(&before, kStart));
    EXPECT_TRUE(bh_changed_since(&same, kStart)) << "it may have been after it";
    EXPECT_TRUE(bh_changed_since(&after, kStart));
}

TEST(Code, ATimeThatIsRoundedDownMayHaveBeenLater) {
    const bh_change_time same_second = at(1'700'000'000, 0, 1'000'000'000);
    const bh_change_time second_before = at(1'699'999'999, 0, 1'000'000'000);
    EXPECT_TRUE(bh_changed_since(&same_second, kStart));
    EXPECT_FALSE(bh_changed_since(&second_before, kStart));
}

TEST(Code, TimesThatNoClockShowsDoNotWrapAround) {
    const bh_change_time negative = at(-1, 0);
    const bh_change_time endless = at(0x7fffffffffffffff, 0);
    EXPECT_FALSE(bh_changed_since(&negative, kStart));
    EXPECT_TRUE(bh_changed_since(&endless, kStart));
}

}  // namespace
}  // namespace bulkhead
