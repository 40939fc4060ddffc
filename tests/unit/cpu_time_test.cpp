// How CPU time is divided between user and system.
#include <gtest/gtest.h>

#include "loader/meters.h"

namespace bulkhead::loader {
namespace {

bh_usage sampled(__u64 cpu_ns, __u64 user_ns, __u64 system_ns) {
    bh_usage usage{};
    usage.cpu_ns = cpu_ns;
    usage.cpu_user_sampled_ns = user_ns;
    usage.cpu_system_sampled_ns = system_ns;
    return usage;
}

TEST(CpuTime, IsDividedInTheProportionOfTheSamples) {
    bh_usage usage = sampled(1000, 30, 10);
    divide_cpu_time(usage);
    EXPECT_EQ(usage.cpu_user_ns, 750U);
    EXPECT_EQ(usage.cpu_system_ns, 250U);
}

TEST(CpuTime, IsUserTimeWhileThereIsNoSample) {
    bh_usage usage = sampled(1000, 0, 0);
    divide_cpu_time(usage);
    EXPECT_EQ(usage.cpu_user_ns, 1000U);
    EXPECT_EQ(usage.cpu_system_ns, 0U);
}

TEST(CpuTime, NeverGoesBack) {
    bh_usage usage = sampled(1000, 0, 10);
    divide_cpu_time(usage);
    EXPECT_EQ(usage.cpu_system_ns, 1000U);
    usage.cpu_ns = 1100;
    usage.cpu_user_sampled_ns = 90;
    divide_cpu_time(usage);
    EXPECT_EQ(usage.cpu_system_ns, 1000U);
    EXPECT_EQ(usage.cpu_user_ns, 100U);
}

TEST(CpuTime, OfYearsDoesNotOverflow) {
    constexpr __u64 kTenYears = 315'360'000ULL * 1'000'000'000ULL;
    bh_usage usage = sampled(kTenYears, kTenYears / 4 * 3, kTenYears / 4);
    divide_cpu_time(usage);
    EXPECT_EQ(usage.cpu_system_ns, kTenYears / 4);
    EXPECT_EQ(usage.cpu_user_ns + usage.cpu_system_ns, kTenYears);
}

}  // namespace
}  // namespace bulkhead::loader
