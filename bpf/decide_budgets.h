/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Pure decisions on budgets. Compiles as C for the programs and as C++ for the unit tests.
 */
#ifndef BULKHEAD_DECIDE_BUDGETS_H
#define BULKHEAD_DECIDE_BUDGETS_H

#include "bpf/wire_budgets.h"

/* Stops at the most that the word can say. */
BH_PURE __u64 bh_used_after(__u64 used, __u64 more)
{
	return more > BH_SPENT_MOST - used ? BH_SPENT_MOST : used + more;
}

/* Refuses for the rest of the period `period`. */
BH_PURE int bh_is_closed(const struct bh_budget *budget, __u64 period)
{
	return (budget->on_exceed == BH_ON_REFUSE && budget->exceeded_in == period + 1) ||
	       (budget->on_warn == BH_ON_REFUSE && budget->warned_in == period + 1);
}

/* Whether something was ever told that could refuse now: asked before the clock is. */
BH_PURE int bh_may_be_closed(const struct bh_budget *budget)
{
	return (budget->on_exceed == BH_ON_REFUSE && budget->exceeded_in) ||
	       (budget->on_warn == BH_ON_REFUSE && budget->warned_in);
}

#endif
