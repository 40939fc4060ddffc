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

/* Nothing begins in what is refused, stands still or ends: also while nobody has come to do it. */
BH_PURE int bh_closes(__u32 action)
{
	return action == BH_ON_REFUSE || action == BH_ON_PAUSE || action == BH_ON_STOP;
}

/* Refuses for the rest of the period `period`; one that is to be stopped for good. */
BH_PURE int bh_is_closed(const struct bh_budget *budget, __u64 period)
{
	return (budget->on_exceed == BH_ON_STOP && budget->exceeded_in) ||
	       (budget->on_warn == BH_ON_STOP && budget->warned_in) ||
	       (bh_closes(budget->on_exceed) && budget->exceeded_in == period + 1) ||
	       (bh_closes(budget->on_warn) && budget->warned_in == period + 1);
}

/* Whether something was ever told that could refuse now: asked before the clock is. */
BH_PURE int bh_may_be_closed(const struct bh_budget *budget)
{
	return (bh_closes(budget->on_exceed) && budget->exceeded_in) ||
	       (bh_closes(budget->on_warn) && budget->warned_in);
}

#endif
