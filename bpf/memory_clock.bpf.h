/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory over time: what an environment holds, times how long, added up in steps. One timer of the
 * kernel takes a step for every environment ten times a second, with no process of ours; a task
 * that leaves its CPU takes one, as it is tasks that change memory; and so does who reads usage.
 * The timer also looks at budgets (budget_clock.bpf.h) and at the barriers of pages
 * (page_bounds.bpf.h).
 */
#ifndef BULKHEAD_MEMORY_CLOCK_BPF_H
#define BULKHEAD_MEMORY_CLOCK_BPF_H

#include "bpf/budget_clock.bpf.h"
#include "bpf/page_bounds.bpf.h"

#define BH_CLOCK_STEP_NS 100000000ULL
#define BH_CLOCK_SHORTEST_NS 1000000ULL /* of the steps that tasks take */
#define BH_CLOCK_MONOTONIC 1

/* `memcg` is an address that is only ever read from with a check of whose it is. */
struct bh_clock {
	__u64 memcg;
	__u64 sampled_ns;
	__u64 pages; /* then */
	__u64 switched_ns; /* by the scheduler's clock, when a task took a step */
	__u32 serial; /* of the environment, stored last; another one: not begun */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_clock);
} bh_clocks SEC(".maps") __weak;

struct bh_ticker {
	struct bpf_timer timer;
	__u32 running;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_ticker);
} bh_ticker SEC(".maps") __weak;

/* False: the cgroup is gone, and what lies at the address is somebody else's. */
static __always_inline bool bh_clock_read(const struct bh_clock *clock,
					  const struct bh_environment *env, __u64 *pages)
{
	struct mem_cgroup *memcg = (void *)clock->memcg;

	if (BPF_CORE_READ(memcg, css.cgroup, kn, id) != env->cgroup_id)
		return false;
	*pages = BPF_CORE_READ(memcg, memory.usage.counter);
	return true;
}

/*
 * It is `pages` at `now_ns`, was as before until `ramp_ns` ago, and changed evenly from then on.
 * Two that step at once: the one that moves the time on adds.
 */
static __always_inline void bh_clock_add(struct bh_clock *clock, struct bh_state *state,
					 __u64 pages, __u64 now_ns, __u64 ramp_ns)
{
	__u64 since_ns = *(volatile __u64 *)&clock->sampled_ns, step_ns = now_ns - since_ns;
	__u64 before = clock->pages;

	if (now_ns <= since_ns ||
	    __sync_val_compare_and_swap(&clock->sampled_ns, since_ns, now_ns) != since_ns)
		return;
	clock->pages = pages;
	if (ramp_ns > step_ns)
		ramp_ns = step_ns;
	__sync_fetch_and_add(&state->counts.memory_page_ms, (2 * before * (step_ns - ramp_ns) +
							     (before + pages) * ramp_ns + 1000000) /
								    2000000);
}

static __always_inline void bh_clock_step(struct bh_clock *clock, const struct bh_environment *env,
					  struct bh_state *state, __u64 ramp_ns)
{
	__u64 pages = 0;

	if (bh_clock_read(clock, env, &pages))
		bh_clock_add(clock, state, pages, bpf_ktime_get_boot_ns(), ramp_ns);
}

static __always_inline struct cgroup *bh_clock_cgroup(const struct bh_clock *clock)
{
	struct mem_cgroup *memcg = (void *)clock->memcg;

	return BPF_CORE_READ(memcg, css.cgroup);
}

/*
 * Global, so that the verifier looks at it by itself: within the loop of a timer's callback, with
 * the loop over CPUs below it, recent kernels walk it for half a minute.
 */
__weak __noinline int bh_step_slot(__u32 slot)
{
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);
	struct bh_state *state = bpf_map_lookup_elem(&bh_states, &slot);
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);
	__u64 pages = 0;

	if (!env || !state || !clock || !env->serial || env->serial != clock->serial ||
	    !bh_clock_read(clock, env, &pages))
		return 0;
	bh_clock_add(clock, state, pages, bpf_ktime_get_boot_ns(), BH_CLOCK_STEP_NS);
	bh_step_budgets(slot, env, state, bh_clock_cgroup(clock));
	bh_step_pages(slot, clock->memcg);
	return 0;
}

static long bh_tick_slot(__u32 slot, void *unused)
{
	bh_step_slot(slot);
	return 0;
}

static __always_inline __u32 bh_slot_bound(void)
{
	__u32 zero = 0;
	struct bh_meta *meta = bpf_map_lookup_elem(&bh_meta, &zero);

	return meta ? *(volatile __u32 *)&meta->slot_bound : 0;
}

/*
 * Ends when there is no environment. One that comes at that moment either sees that nothing runs
 * and starts it, or is seen by the second look.
 */
static int bh_tick(void *map, int *key, struct bh_ticker *ticker)
{
	__u32 bound = bh_slot_bound();

	if (bound > BH_MAX_ENVIRONMENTS)
		bound = BH_MAX_ENVIRONMENTS;
	if (!bound) {
		__sync_lock_test_and_set(&ticker->running, 0);
		if (!bh_slot_bound() || __sync_lock_test_and_set(&ticker->running, 1))
			return 0;
	}
	bpf_loop(bound, bh_tick_slot, NULL, 0);
	bpf_timer_start(&ticker->timer, BH_CLOCK_STEP_NS, 0);
	return 0;
}

static __always_inline void bh_start_ticker(void)
{
	__u32 zero = 0;
	struct bh_ticker *ticker = bpf_map_lookup_elem(&bh_ticker, &zero);

	if (!ticker || __sync_lock_test_and_set(&ticker->running, 1))
		return;
	bpf_timer_init(&ticker->timer, &bh_ticker,
		       BH_CLOCK_MONOTONIC); /* fails but the first time */
	if (bpf_timer_set_callback(&ticker->timer, bh_tick) ||
	    bpf_timer_start(&ticker->timer, BH_CLOCK_STEP_NS, 0))
		__sync_lock_test_and_set(&ticker->running, 0);
}

/*
 * Global, like bh_step_slot(): the verifier looks at the timer's callback once, and not in every
 * state of who calls.
 */
__weak __noinline int bh_start_clock(__u32 slot)
{
	struct bh_environment *env = bpf_map_lookup_elem(&bh_envs, &slot);
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);

	if (!env || !clock || !bh_clock_read(clock, env, &clock->pages))
		return 0;
	clock->sampled_ns = bpf_ktime_get_boot_ns();
	*(volatile __u32 *)&clock->serial = env->serial;
	bh_start_ticker();
	return 0;
}

/*
 * Begins, if it has not begun, to add up for the environment whose cgroup `memcg` is of. In a
 * cgroup without the memory controller, or in one below the environment's, nothing begins.
 */
static __always_inline void bh_begin_clock(struct bh_label label, struct mem_cgroup *memcg)
{
	__u32 slot = label.slot;
	struct bh_clock *clock = bpf_map_lookup_elem(&bh_clocks, &slot);

	if (!clock || clock->serial == label.serial || !memcg)
		return;
	clock->memcg = (__u64)memcg;
	bh_start_clock(slot);
}

#endif
