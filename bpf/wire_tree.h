/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The part of the ABI that is about [files]: which paths rules name, as the kernel finds them.
 * Included by wire.h.
 */
#ifndef BULKHEAD_WIRE_TREE_H
#define BULKHEAD_WIRE_TREE_H

#define BH_COMPONENT_BYTES 256 /* a file name with its terminator */
#define BH_MAX_NODES 131072 /* of the trees of all environments' policies */
#define BH_MAX_ROOTS 65536 /* super blocks of all environments' policies */
#define BH_MAX_NODE_DEPTH 32 /* components of a path that is a node, on its super block */

/* What a tree of [files] gives. A right that is not given is refused. */
enum bh_right {
	BH_RIGHT_READ = 1 << 0,
	BH_RIGHT_WRITE = 1 << 1,
	BH_RIGHT_APPEND = 1 << 2, /* open for appending only; implied by WRITE */
	BH_RIGHT_EXECUTE = 1 << 3,
};

/*
 * Key of bh_nodes: a name beneath the node `parent` is a node. The nodes are the paths that rules
 * name and all directories above them, within one super block. No row holds a name: `hash` is
 * keyed (bh_hash_name()), and nobody inside learns of it but by chance.
 */
struct bh_node_key {
	struct bh_policy_key policy;
	__u64 hash[2];
	__u32 parent; /* bh_node.node */
	__u32 bytes; /* of the name */
};
BH_ASSERT_SIZE(struct bh_node_key, 40);

/* What holds at a path and beneath it, up to the next node. */
struct bh_node {
	__u32 node; /* under which the nodes beneath have their rows; 0: there are none */
	__u32 rule; /* number of the rule that the rights came from; 0: the default */
	__u32 rights; /* bh_right */
	__u32 flags; /* bh_node_flags */
};
BH_ASSERT_SIZE(struct bh_node, 16);

enum bh_node_flags {
	BH_NODE_NAMED = 1 << 0, /* a rule names this path; else it only leads to one */
	BH_NODE_REVOKES = 1 << 1, /* what was opened before is judged again as it is used */
	/* Of a sysctl: whose namespace it belongs to. Without one of them it is not given. */
	BH_NODE_NET = 1 << 2,
	BH_NODE_IPC = 1 << 3,
	BH_NODE_UTS = 1 << 4,
	BH_NODE_BENEATH = 1 << 5, /* and all beneath it */
};
#define BH_NODE_SYSCTL (BH_NODE_NET | BH_NODE_IPC | BH_NODE_UTS)

/*
 * Key of bh_roots: the root of a super block; `dev` 0: of all that have no row; BH_ROOT_PROC: of
 * any procfs, for the sysctls that may be written.
 */
#define BH_ROOT_PROC 0xffffffffU /* no device: minors have 20 bits, majors fewer than 12 */
struct bh_root_key {
	struct bh_policy_key policy;
	__u32 dev;
	__u32 pad;
};
BH_ASSERT_SIZE(struct bh_root_key, 24);

/* Value of bh_places (inode storage): what was found to hold for it. */
struct bh_place {
	struct bh_policy_key policy;
	struct bh_node node;
};
BH_ASSERT_SIZE(struct bh_place, 32);

/* Value of bh_name_key, one row: what names are hashed with. Random, written at load. */
#define BH_NAME_KEY_WORDS 68
struct bh_name_key {
	__u32 words[BH_NAME_KEY_WORDS];
};
BH_ASSERT_SIZE(struct bh_name_key, 272);

#define BH_NAME_WORDS 64 /* BH_COMPONENT_BYTES in 32 bits */
#define BH_HASH_SHIFT 4 /* words by which the key of the second half is ahead */

/*
 * NH of UMAC (RFC 4418), twice: for two different names of one length the hashes are equal with a
 * chance of 2^-64, whatever the names, as long as the key is not known. `words`: zero-padded to 8
 * bytes. Names of another length have keys of their own.
 */
BH_PURE void bh_hash_name(const __u32 *words, __u32 bytes, const __u32 *key, __u64 *hash)
{
	__u64 first = 0, second = 0, left;
	__u32 i;

	for (i = 0; i < BH_NAME_WORDS; i += 2) {
		if (i * 4 >= bytes)
			break;
		/* The sums are of 32 bits, the products of 64. */
		left = words[i] + key[i];
		first += left * (words[i + 1] + key[i + 1]);
		left = words[i] + key[i + BH_HASH_SHIFT];
		second += left * (words[i + 1] + key[i + 1 + BH_HASH_SHIFT]);
	}
	hash[0] = first;
	hash[1] = second;
}

#endif
