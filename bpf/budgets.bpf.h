/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spending from a budget: counted, decided and recorded without any process of ours. A period ends
 * by the kernel's clock, for whoever looks first.
 */
#ifndef BULKHEAD_BUDGETS_BPF_H
#define BULKHEAD_BUDGETS_BPF_H

#include "bpf/refuse.bpf.h"
#include "bpf/decide_budgets.h"

#define EAGAIN 11

/* Each try fails because another CPU's succeeded. */
#define BH_SPEND_TRIES 64

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_budgets);
} bh_budget_rows SEC(".maps") __weak;

/* NULL: the environment has no budget. */
static __always_inline struct bh_budgets *bh_budgets_of(const struct bh_label *label)
{
	__u32 slot = label->slot;
	struct bh_budgets *row = bpf_map_lookup_elem(&bh_budget_rows, &slot);

	return row && row->asked && row->serial == label->serial ? row : NULL;
}

enum bh_spend_bound { BH_UNBOUNDED, BH_UP_TO_AMOUNT };

/* What came of it, a bit each. */
enum bh_spend_outcome {
	BH_SPEND_WARNED = 1 << 0, /* the first time in this period */
	BH_SPEND_EXCEEDED = 1 << 1, /* likewise */
	BH_SPEND_REFUSED = 1 << 2,
	BH_SPEND_INTERNAL = 1 << 3, /* it could not be decided, and is not counted */
};

struct bh_spending {
	__u64 more;
	__u64 used; /* what is used in the period, with what was let through */
	__u64 period;
	__u32 bound;
	__u32 kind; /* of the budget; after a refusal of the one that refuses */
};

/* True once in a period. Another CPU may be past its end already: never back. */
static __always_inline bool bh_mark(__u64 *marked, __u64 period)
{
	__u64 seen = *(volatile __u64 *)marked;

	return seen < period + 1 && __sync_val_compare_and_swap(marked, seen, period + 1) == seen;
}

static __always_inline __u32 bh_mark_past(struct bh_budget *budget, const struct bh_spending *of)
{
	__u32 outcome = 0;

	if (of->used >= budget->warn && bh_mark(&budget->warned_in, of->period))
		outcome |= BH_SPEND_WARNED;
	if (of->used > budget->amount && bh_mark(&budget->exceeded_in, of->period)) {
		__sync_fetch_and_add(&budget->exceeded, 1);
		outcome |= BH_SPEND_EXCEEDED;
	}
	return outcome;
}

/*
 * All of it or nothing, and with a bound never above the amount, not for an instant. The clock is
 * read after the word: no period in the word is later than that of the clock. Global, so that the
 * verifier looks at the tries once.
 */
__weak __noinline int bh_spend(struct bh_budget *budget, struct bh_spending *of)
{
	int i;

	if (!budget || !of)
		return BH_SPEND_INTERNAL;
	for (i = 0; i < BH_SPEND_TRIES; i++) {
		__u64 word = *(volatile __u64 *)&budget->spent;
		__u64 before, after;

		of->period =
			bh_period_at(bpf_ktime_get_boot_ns(), budget->origin_ns, budget->period_ns);
		before = bh_used_in(word, of->period);
		after = bh_used_after(before, of->more);
		of->used = before;
		if (of->bound == BH_UP_TO_AMOUNT && after > budget->amount) {
			if (!bh_mark(&budget->exceeded_in, of->period))
				return BH_SPEND_REFUSED;
			__sync_fetch_and_add(&budget->exceeded, 1);
			return BH_SPEND_REFUSED | BH_SPEND_EXCEEDED;
		}
		after = bh_spent(of->period, after);
		if (__sync_val_compare_and_swap(&budget->spent, word, after) == word) {
			of->used = after & BH_SPENT_MOST;
			return bh_mark_past(budget, of);
		}
	}
	return BH_SPEND_INTERNAL | (of->bound == BH_UP_TO_AMOUNT ? BH_SPEND_REFUSED : 0);
}

/* Who did it is not known where packets leave and in the kernel's timer. */
enum bh_spender { BH_SPENDER_CURRENT, BH_SPENDER_UNKNOWN };

static __always_inline void bh_write_row(struct bh_request *request, enum bh_spender spender)
{
	struct bh_refusal *row;
	__u64 sequence;

	if (spender == BH_SPENDER_CURRENT) {
		bh_record(request);
		return;
	}
	row = bh_take_row(request, &sequence);
	if (row)
		bh_finish_row(row, sequence);
}

/* A budget holds whatever the policy's mode is: it is none of the policy's rules. */
static __always_inline void bh_tell_spending(struct bh_subject *subject, struct bh_budgets *row,
					     const struct bh_spending *of, __u32 outcome,
					     struct bh_request *request, enum bh_spender spender)
{
	__u32 kind = of->kind;
	struct bh_budget *budget;

	if (!outcome || kind >= BH_BUDGET_COUNT || !subject->state)
		return;
	budget = &row->budgets[kind];
	request->class_id = BH_CLASS_BEANCOUNTERS;
	request->object_kind = BH_OBJECT_BUDGET;
	request->values[0] = kind;
	request->values[1] = of->used;
	request->values[2] = budget->amount;
	request->values[3] = budget->period_ns;
	bh_sign(subject, request);
	if (outcome & BH_SPEND_WARNED) {
		request->flags = BH_REFUSAL_WARNED;
		bh_write_row(request, spender);
	}
	if (outcome & BH_SPEND_EXCEEDED) {
		request->flags = BH_REFUSAL_WARNED | BH_REFUSAL_EXCEEDED;
		bh_write_row(request, spender);
	}
	if (outcome & BH_SPEND_INTERNAL)
		__sync_fetch_and_add(&subject->state->internal, 1);
	if (!(outcome & BH_SPEND_REFUSED))
		return;
	request->flags = outcome & BH_SPEND_INTERNAL ? BH_REFUSAL_INTERNAL : 0;
	__sync_fetch_and_add(&budget->refused, 1);
	__sync_fetch_and_add(&subject->state->refused[BH_CLASS_BEANCOUNTERS], 1);
	bh_write_row(request, spender);
}

#endif
