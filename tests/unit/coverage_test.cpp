// Every hook carries a class and every class has a hook: doctor can name what each one needs.
#include "loader/coverage.h"

#include <gtest/gtest.h>

#include <set>

#include "loader/refusals.h"

namespace bulkhead::loader {
namespace {

TEST(Coverage, EveryClassOfTheDefaultHasAHook) {
    for (unsigned class_id = 0; class_id < BH_FIRST_POLICY_CLASS; ++class_id)
        EXPECT_TRUE(is_enforced(static_cast<bh_class>(class_id))) << class_name(class_id);
}

TEST(Coverage, EveryHookCarriesAClass) {
    std::set<bh_hook> carried;
    for (unsigned class_id = 0; class_id < BH_CLASS_COUNT; ++class_id)
        for (const bh_hook hook : hooks_of(static_cast<bh_class>(class_id)))
            carried.insert(hook);
    for (unsigned hook = 0; hook < BH_HOOK_COUNT; ++hook)
        EXPECT_TRUE(carried.contains(static_cast<bh_hook>(hook))) << hook_name(hook);
}

TEST(Coverage, FindsTheHookOfASection) {
    EXPECT_EQ(hook_of_section("lsm/task_kill"), BH_HOOK_task_kill);
    EXPECT_EQ(hook_of_section("lsm.s/bpf"), BH_HOOK_bpf);
    EXPECT_EQ(hook_of_section("cgroup/connect6"), BH_HOOK_cgroup_connect);
    EXPECT_EQ(hook_of_section("cgroup/sendmsg4"), BH_HOOK_cgroup_sendmsg);
    EXPECT_EQ(hook_of_section("tp_btf/sched_process_exit"), BH_HOOK_COUNT);
    EXPECT_EQ(hook_of_section("fentry/mem_cgroup_get_oom_group"), BH_HOOK_oom_kill);
    EXPECT_EQ(hook_of_section("fexit/__mem_cgroup_try_charge_swap"), BH_HOOK_swap_charge);
    EXPECT_EQ(hook_of_section("lsm/no_such_hook"), BH_HOOK_COUNT);
}

}  // namespace
}  // namespace bulkhead::loader
