/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Charging an object to the environment that makes it, and taking it off when it is freed.
 *
 * Who made an object is kept by the object's address: files and sockets' inodes have no storage
 * that a program on their last hook can still read. An address is used again only after that hook,
 * so a row is one object's. A row whose end was missed, because no program was there, carries an
 * old epoch: it changes no count, and gives way to whatever has the address next.
 */
#ifndef BULKHEAD_BEANCOUNTERS_BPF_H
#define BULKHEAD_BEANCOUNTERS_BPF_H

#include "bpf/refuse.bpf.h"
#include "bpf/decide_beancounters.h"

#define EAGAIN 11
#define ENFILE 23
#define ENOBUFS 105

/* Each try fails because another CPU's succeeded. */
#define BH_TRIES 64

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_beancounters);
} bh_beans SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_CHARGES);
	__type(key, __u64);
	__type(value, struct bh_charge);
} bh_charges SEC(".maps") __weak;

/* What is made, for whoever asks why it was not. */
struct bh_object {
	__u64 address;
	__u32 counter;
	__u16 hook;
	__u16 pad;
};

/* NULL: the counter is not asked for. */
static __always_inline struct bh_beancounter *bh_beancounter_of(const struct bh_label *label,
								__u32 counter)
{
	__u32 slot = label->slot;
	struct bh_beancounters *row = bpf_map_lookup_elem(&bh_beans, &slot);

	if (!row || row->serial != label->serial || counter >= BH_MAX_BEANCOUNTERS)
		return NULL;
	return row->counted & (1U << counter) ? &row->counters[counter] : NULL;
}

enum bh_taken { BH_TAKEN, BH_AT_LIMIT, BH_UNDECIDED };

/*
 * Never above the limit, not for an instant: add, compare and undo would let a reader see more,
 * and would refuse others what the undone one never held.
 */
static __always_inline enum bh_taken bh_take(struct bh_beancounter *counter, __u64 *held)
{
	__u64 now = *(volatile __u64 *)&counter->held;
	__u64 seen;
	int i;

	for (i = 0; i < BH_TRIES; i++) {
		*held = now;
		if (!bh_has_room(now, *(volatile __u64 *)&counter->limit))
			return BH_AT_LIMIT;
		seen = __sync_val_compare_and_swap(&counter->held, now, now + 1);
		if (seen == now) {
			*held = now + 1;
			return BH_TAKEN;
		}
		now = seen;
	}
	return BH_UNDECIDED;
}

static __always_inline void bh_raise(__u64 *most, __u64 held)
{
	__u64 now = *(volatile __u64 *)most;
	__u64 seen;
	int i;

	for (i = 0; i < BH_TRIES && now < held; i++) {
		seen = __sync_val_compare_and_swap(most, now, held);
		if (seen == now)
			return;
		now = seen;
	}
}

/*
 * A limit holds whatever the policy's mode is: it is none of the policy's rules. What is held is in
 * the request.
 */
static __always_inline void bh_count_note(struct bh_subject *subject,
					  struct bh_beancounter *counter,
					  struct bh_request *request)
{
	request->values[2] = counter->barrier;
	if (!(request->flags & BH_REFUSAL_WARNED)) {
		__sync_fetch_and_add(&counter->failcnt, 1);
		if (subject->state)
			__sync_fetch_and_add(&subject->state->refused[BH_CLASS_BEANCOUNTERS], 1);
		if (subject->state && request->flags & BH_REFUSAL_INTERNAL)
			__sync_fetch_and_add(&subject->state->internal, 1);
	}
	bh_sign(subject, request);
}

static __noinline int bh_note(struct bh_subject *subject, struct bh_beancounter *counter,
			      struct bh_request *request)
{
	if (!subject || !counter || !request)
		return 0;
	request->values[3] = counter->limit;
	bh_count_note(subject, counter, request);
	bh_record(request);
	return 0;
}

/* One that stands at the limit is never passed. */
static __always_inline bool bh_has_barrier(const struct bh_beancounter *counter)
{
	return counter->barrier < counter->limit;
}

/* Of what others count, which was `before` at the last look. True once a second at most. */
static __always_inline bool bh_passes_barrier(struct bh_beancounter *counter, __u64 before,
					      __u64 held)
{
	__u64 now_ns;

	if (held <= counter->barrier)
		return false;
	now_ns = bpf_ktime_get_boot_ns();
	if (!bh_warns_since(before, held, counter->barrier, counter->warned_ns, now_ns))
		return false;
	counter->warned_ns = now_ns;
	return true;
}

static __always_inline void bh_watch_barrier(struct bh_subject *subject,
					     struct bh_beancounter *counter,
					     struct bh_request *request, __u64 held)
{
	__u64 now_ns;

	if (held <= counter->barrier)
		return;
	now_ns = bpf_ktime_get_boot_ns();
	if (!bh_warns(held, counter->barrier, counter->warned_ns, now_ns))
		return;
	counter->warned_ns = now_ns;
	request->flags = BH_REFUSAL_WARNED;
	request->values[1] = held;
	bh_note(subject, counter, request);
}

/*
 * 0, or `error`, a constant negative errno. An object whose maker cannot be kept is not made: it
 * would never be taken off.
 */
static __always_inline int bh_charge_object(struct bh_subject *subject, struct bh_object object,
					    int error)
{
	struct bh_beancounter *counter = bh_beancounter_of(&subject->label, object.counter);
	struct bh_charge charge = { .label = subject->label, .counter = object.counter };
	struct bh_request request = {
		.hook = object.hook,
		.class_id = BH_CLASS_BEANCOUNTERS,
		.error = error,
		.object_kind = BH_OBJECT_BEANCOUNTER,
		.values = { object.counter },
	};
	enum bh_taken taken;
	__u64 held = 0;

	if (!counter)
		return 0;
	taken = bh_take(counter, &held);
	if (taken == BH_TAKEN) {
		charge.epoch = counter->epoch;
		if (!bpf_map_update_elem(&bh_charges, &object.address, &charge, BPF_ANY)) {
			bh_raise(&counter->maxheld, held);
			bh_watch_barrier(subject, counter, &request, held);
			return 0;
		}
		__sync_fetch_and_add(&counter->held, -1);
	}
	request.flags = taken == BH_AT_LIMIT ? 0 : BH_REFUSAL_INTERNAL;
	request.values[1] = held;
	bh_note(subject, counter, &request);
	return error;
}

static __always_inline void bh_uncharge_object(__u64 address)
{
	struct bh_charge *found = bpf_map_lookup_elem(&bh_charges, &address);
	struct bh_beancounters *row;
	struct bh_charge charge;

	if (!found)
		return;
	charge = *found;
	/* A row that cannot be deleted, its bucket being locked, is nobody's from here on. */
	found->counter = BH_MAX_BEANCOUNTERS;
	bpf_map_delete_elem(&bh_charges, &address);
	row = bpf_map_lookup_elem(&bh_beans, &charge.label.slot);
	if (!row || row->serial != charge.label.serial || charge.counter >= BH_MAX_BEANCOUNTERS)
		return;
	if (row->counters[charge.counter].epoch == charge.epoch)
		__sync_fetch_and_add(&row->counters[charge.counter].held, -1);
}

#endif
