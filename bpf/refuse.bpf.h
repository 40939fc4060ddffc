/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last two steps of every hook: decide by the control word, then account. A refusal is
 * counted by class and kept with its object among the environment's last ones, so that it can be
 * explained with no process of ours alive.
 */
#ifndef BULKHEAD_REFUSE_BPF_H
#define BULKHEAD_REFUSE_BPF_H

#include "bpf/execs.bpf.h"
#include "bpf/learn.bpf.h"

/*
 * A new row starts as this one and is filled in place: programs run preemptible, so a scratch
 * row of the CPU could be overwritten half-way.
 */
static const struct bh_refusal bh_new_row = {};

static __always_inline void bh_write_path(struct bh_refusal *row, struct dentry *dentry)
{
	struct dentry *parent;
	int part;

	for (part = 0; part < BH_TEXT_PARTS; part++) {
		const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);

		bpf_probe_read_kernel_str(row->text[part], BH_TEXT_BYTES, name);
		parent = BPF_CORE_READ(dentry, d_parent);
		if (parent == dentry)
			break;
		dentry = parent;
	}
}

static __always_inline void bh_write_name(struct bh_refusal *row, const char *name, __u32 bytes)
{
	if (!bytes)
		bpf_probe_read_kernel_str(row->text, sizeof(row->text), name);
	else if (bytes < sizeof(row->text))
		bpf_probe_read_kernel(row->text, bytes, name);
}

static __always_inline void bh_write_reached(struct bh_refusal *row, struct bh_label owner)
{
	struct bh_environment *other = bh_living(owner);

	if (other)
		bpf_probe_read_kernel((char *)row->text +
					      __builtin_offsetof(struct bh_reached_text, name),
				      BH_NAME_BYTES, other->name);
}

/* A task whose environment is gone has no state to count in, and its slot may be another's now. */
static __always_inline void bh_count_orphan(void)
{
	__u32 zero = 0;
	struct bh_meta *meta = bpf_map_lookup_elem(&bh_meta, &zero);

	if (meta)
		__sync_fetch_and_add(&meta->orphaned, 1);
}

/*
 * Whoever stores 0 into a row's sequence has the row until it stores its own. A writer that stood
 * still while the ring went round would else write on into what another one has there now.
 */
static __always_inline bool bh_claim_row(struct bh_refusal *row)
{
	__u64 seen = *(volatile __u64 *)&row->sequence;

	return seen && __sync_val_compare_and_swap(&row->sequence, seen, 0) == seen;
}

/* The row of this number in the ring, empty; NULL: it is being written, or there is no room. */
static __always_inline struct bh_refusal *bh_empty_row(const struct bh_refusal_key *key)
{
	struct bh_refusal *row = bpf_map_lookup_elem(&bh_refusals, key);

	if (!row) {
		/* Of two that make it at once, one has it. */
		if (bpf_map_update_elem(&bh_refusals, key, &bh_new_row, BPF_NOEXIST))
			return NULL;
		return bpf_map_lookup_elem(&bh_refusals, key);
	}
	if (!bh_claim_row(row))
		return NULL;
	row->pid = row->tid = row->uid = 0;
	__builtin_memset(row->comm, 0, sizeof(row->comm));
	__builtin_memset(row->text, 0, sizeof(row->text));
	return row;
}

/*
 * A row of the ring, filled with all but who it was; NULL: none could be had, which is counted.
 * bh_finish_row() makes it visible.
 */
static __always_inline struct bh_refusal *bh_take_row(struct bh_request *request, __u64 *sequence)
{
	struct bh_refusal_key key = { .label = request->label };
	__u32 slot = request->label.slot;
	struct bh_state *state = bpf_map_lookup_elem(&bh_states, &slot);
	struct bh_refusal *row;

	if (!state)
		return NULL;
	*sequence = __sync_fetch_and_add(&state->refusal_count, 1);
	key.index = *sequence % BH_MAX_REFUSALS;
	row = bh_empty_row(&key);
	if (!row) {
		__sync_fetch_and_add(&state->unrecorded, 1);
		return NULL;
	}
	row->time_ns = bpf_ktime_get_boot_ns();
	row->label = request->label;
	row->error = request->error;
	row->generation = BH_CONTROL_GENERATION(request->control);
	row->hook = request->hook;
	row->class_id = request->class_id;
	row->flags = request->flags;
	row->object_kind = request->object_kind;
	row->rule = request->rule;
	__builtin_memcpy(row->object, request->values, sizeof(row->object));
	if (request->path)
		bh_write_path(row, request->path);
	else if (request->name)
		bh_write_name(row, request->name, request->name_bytes);
	if (request->reached.serial)
		bh_write_reached(row, request->reached);
	return row;
}

static __always_inline void bh_finish_row(struct bh_refusal *row, __u64 sequence)
{
	*(volatile __u64 *)&row->sequence = sequence + 1;
}

__weak __noinline int bh_record(struct bh_request *request)
{
	__u64 ids = bpf_get_current_pid_tgid();
	struct bh_refusal *row;
	__u64 sequence;

	if (!request)
		return 0;
	if (!request->label.serial) {
		bh_count_orphan();
		return 0;
	}
	if (!(request->flags & BH_REFUSAL_WARNED))
		bh_count_act(request->flags & BH_REFUSAL_AUDITED ? BH_EXEC_AUDITED
								 : BH_EXEC_REFUSED,
			     request->class_id);
	row = bh_take_row(request, &sequence);
	if (!row)
		return 0;
	row->pid = ids >> 32;
	row->tid = (__u32)ids;
	row->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(row->comm, sizeof(row->comm));
	bh_finish_row(row, sequence);
	return 0;
}

/* What the rules say beside trees and addresses; NULL: the policy is of classes only. */
static __always_inline struct bh_policy *bh_policy_by(struct bh_label label, __u64 control)
{
	struct bh_policy_key key = {
		.label = label,
		.generation = BH_CONTROL_GENERATION(control),
	};

	return bpf_map_lookup_elem(&bh_policies, &key);
}

/*
 * The flags of a refusal of `class_id`, which is only recorded by the policy's mode or by its
 * section's; and the rule that set the class where no other decided. A task whose record is gone
 * is never let through.
 */
static __always_inline __u8 bh_settle_by(struct bh_label label, __u64 control, __u32 class_id,
					 __u32 *rule)
{
	struct bh_policy *policy = bh_policy_by(label, control);

	if (policy && !*rule && class_id < BH_MAX_CLASSES) {
		/* Verifiers before 6.3 lose the bound with the register: a mask within the row too.
		 */
		barrier_var(class_id);
		*rule = policy->rule_of_class[class_id & 63];
	}
	if (policy && policy->learned >> (class_id & 63) & 1)
		return BH_REQUEST_SETTLED | BH_REFUSAL_AUDITED | BH_REFUSAL_LEARNED;
	if (BH_CONTROL_MODE(control) == BH_MODE_AUDIT ||
	    (policy && policy->audited >> (class_id & 63) & 1))
		return BH_REQUEST_SETTLED | BH_REFUSAL_AUDITED;
	return BH_REQUEST_SETTLED;
}

static __always_inline struct bh_policy *bh_policy_of(const struct bh_subject *subject)
{
	return bh_policy_by(subject->label, subject->control);
}

static __always_inline __u8 bh_settle(const struct bh_subject *subject, __u32 class_id, __u32 *rule)
{
	return bh_settle_by(subject->label, subject->control, class_id, rule);
}

/* False: another word is published by now, and the request has it. As bh_is_current(). */
static __always_inline bool bh_request_is_current(struct bh_request *request)
{
	__u32 slot = request->label.slot;
	struct bh_environment *env;
	__u64 control;

	if (!request->label.serial)
		return true;
	env = bpf_map_lookup_elem(&bh_envs, &slot);
	barrier();
	control = env ? *(volatile __u64 *)&env->control : 0;
	if (!env || *(volatile __u32 *)&env->serial != request->label.serial) {
		request->label.serial = 0;
		request->control = BH_CONTROL_REFUSE_ALL;
		return false;
	}
	if (control == request->control)
		return true;
	request->control = control;
	return false;
}

/* For classes that no other row decides about. False: allowed by what was published meanwhile. */
__weak __noinline int bh_settle_class(struct bh_request *request)
{
	__u32 class_id, rule;
	__u8 flags = 0;
	int i;

	if (!request)
		return 1;
	class_id = request->class_id;
	for (i = 0; i < BH_MAX_TRIES; i++) {
		rule = request->rule;
		if (!BH_CONTROL_REFUSES(request->control, class_id & 63))
			return 0;
		flags = bh_settle_by(request->label, request->control, class_id, &rule);
		if (bh_request_is_current(request)) {
			request->rule = rule;
			request->flags |= flags;
			return 1;
		}
	}
	request->flags |= BH_REFUSAL_INTERNAL;
	return 1;
}

/*
 * Counts the request, which is signed and settled, as refused, or as what audit mode would refuse;
 * keeps what is learned. Returns 0 or `error`.
 */
static __always_inline int bh_account(struct bh_subject *subject, struct bh_request *request,
				      int error)
{
	__u32 class_id = request->class_id;
	bool audit;

	if (request->flags & BH_REFUSAL_LEARNED) {
		bh_learn(request);
		return 0;
	}
	audit = request->flags & BH_REFUSAL_AUDITED;
	request->flags &= ~BH_REQUEST_SETTLED;
	request->error = error;
	if (subject->state && class_id < BH_MAX_CLASSES) {
		__u64 *counter = audit ? subject->state->audited : subject->state->refused;

		/* As in bh_settle_by(): the bound is lost with the register. */
		barrier_var(class_id);
		__sync_fetch_and_add(&counter[class_id & 63], 1);
		if (request->flags & BH_REFUSAL_INTERNAL)
			__sync_fetch_and_add(&subject->state->internal, 1);
	}
	bh_record(request);
	return audit ? 0 : error;
}

/*
 * The verdict on `request`: 0 or `error`, a constant negative errno (the verifier wants to see its
 * range).
 */
static __always_inline int bh_decide(struct bh_subject *subject, struct bh_request *request,
				     int error)
{
	if (!BH_CONTROL_REFUSES(subject->control, request->class_id))
		return 0;
	bh_sign(subject, request);
	if (!(request->flags & BH_REQUEST_SETTLED) && !bh_settle_class(request))
		return 0;
	return bh_account(subject, request, error);
}

/* For hooks whose whole decision is the class: the act is of this kind, whatever its object. */
static __always_inline int bh_refuse_number(struct bh_subject *subject, __u16 hook, __u8 class_id,
					    __u64 number)
{
	struct bh_request request = {
		.hook = hook,
		.class_id = class_id,
		.object_kind = BH_OBJECT_NUMBER,
		.values = { number },
	};

	return bh_decide(subject, &request, -EPERM);
}

#endif
