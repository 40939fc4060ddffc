/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The maps that more than one object uses. Weak: every object defines them alike and the linker
 * keeps one.
 */
#ifndef BULKHEAD_MAPS_BPF_H
#define BULKHEAD_MAPS_BPF_H

#include "bpf/kernel.bpf.h"
#include "bpf/wire_rows.h"

/* Whose task this is. Inherited in task_alloc; nothing inside can write it. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_task);
} bh_tasks SEC(".maps") __weak;

/* Mapped by user space, which publishes a record's control word by one store. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_environment);
} bh_envs SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u32);
	__type(value, struct bh_state);
} bh_states SEC(".maps") __weak;

/* Not preallocated: an environment that is never refused anything costs nothing here. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_REFUSAL_ROWS);
	__type(key, struct bh_refusal_key);
	__type(value, struct bh_refusal);
} bh_refusals SEC(".maps") __weak;

/* What was done in learn mode. Not preallocated: without that mode it costs nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_LEARNED);
	__type(key, struct bh_learned_key);
	__type(value, struct bh_learned);
} bh_learned SEC(".maps") __weak;

/* Owners of IPC objects and keys, by the object's address; the kernel has no storage on them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_OBJECTS);
	__type(key, __u64);
	__type(value, struct bh_label);
} bh_objects SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct bh_label);
} bh_socks SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_meta);
} bh_meta SEC(".maps") __weak;

/* Which cgroup is an environment's, by cgroup id. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u64);
	__type(value, struct bh_label);
} bh_cgroups SEC(".maps") __weak;

/* Which network namespace is an environment's own, by inode number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_ENVIRONMENTS);
	__type(key, __u64);
	__type(value, struct bh_label);
} bh_netns SEC(".maps") __weak;

/* The rules of published policies, by environment and generation. Written by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * BH_MAX_ENVIRONMENTS);
	__type(key, struct bh_policy_key);
	__type(value, struct bh_policy);
} bh_policies SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_NODES);
	__type(key, struct bh_node_key);
	__type(value, struct bh_node);
} bh_nodes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_ROOTS);
	__type(key, struct bh_root_key);
	__type(value, struct bh_node);
} bh_roots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_PEERS);
	__type(key, struct bh_peer_key);
	__type(value, struct bh_peer);
} bh_peers SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_ROUTE_ROWS);
	__type(key, struct bh_route_key);
	__type(value, struct bh_route_row);
} bh_routes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_RULE_USES);
	__type(key, struct bh_rule_key);
	__type(value, struct bh_rule_uses);
} bh_rule_use SEC(".maps") __weak;

/* Which rows the rules of a generation have. Written and read by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_MAX_ROWS);
	__type(key, struct bh_rows_key);
	__type(value, struct bh_rows);
} bh_rows SEC(".maps") __weak;

/* Whose cgroup a program of packets is attached to. Storage of the cgroup. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, struct bh_label);
} bh_net_cgroups SEC(".maps") __weak;

#endif
