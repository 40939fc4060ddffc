// What a process may become, as the programs compile it.
#include "bpf/decide_privilege.h"

#include <gtest/gtest.h>
#include <sched.h>

namespace bulkhead {
namespace {

TEST(Privilege, RealTimeIsKnownWithItsFlag) {
    for (const __u32 policy : {SCHED_FIFO, SCHED_RR, 6, SCHED_FIFO | SCHED_RESET_ON_FORK})
        EXPECT_TRUE(bh_policy_is_realtime(policy)) << policy;
    for (const __u32 policy : {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE})
        EXPECT_FALSE(bh_policy_is_realtime(policy)) << policy;
    EXPECT_TRUE(bh_ioprio_is_realtime(1 << 13));
    EXPECT_FALSE(bh_ioprio_is_realtime(2 << 13 | 1));
}

TEST(Privilege, OneByteIsNoCoreDump) {
    EXPECT_TRUE(bh_limit_dumps_core(BH_RLIMIT_CORE, 2));
    EXPECT_FALSE(bh_limit_dumps_core(BH_RLIMIT_CORE, 1));
    EXPECT_FALSE(bh_limit_dumps_core(BH_RLIMIT_CORE + 1, 2));
}

TEST(Privilege, AFileGivesItByIdsOrCapabilities) {
    const bh_ids user{1000, 1000, 0};
    const bh_ids root{0, 1000, 0};
    const bh_ids group{1000, 0, 0};
    const bh_ids capable{1000, 1000, 1};
    EXPECT_TRUE(bh_file_gives_privilege(&user, &root, 0));
    EXPECT_TRUE(bh_file_gives_privilege(&user, &group, 0));
    EXPECT_TRUE(bh_file_gives_privilege(&user, &capable, 1));
    EXPECT_FALSE(bh_file_gives_privilege(&user, &capable, 0)) << "root, at any file";
    EXPECT_FALSE(bh_file_gives_privilege(&capable, &user, 1)) << "less than before";
}

TEST(Privilege, WhatIsNotKeptIsDropped) {
    EXPECT_TRUE(bh_capability_is_dropped(0, 21));
    EXPECT_FALSE(bh_capability_is_dropped(1ULL << 21, 21));
}

}  // namespace
}  // namespace bulkhead
