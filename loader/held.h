// What an environment has of the kernel where the kernel keeps it: read by a pass over its books,
// which costs nothing when nobody reads.
#pragma once

#include <iosfwd>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Of all users of one user namespace and of those made in it.
struct UserCounts {
    __u64 watches = 0;  // of inotify
    __u64 signals = 0;  // queued
};

// `user_ns`: inode number. kUnsupported: this kernel does not say where it keeps them.
Result<UserCounts> read_user_counts(__u32 user_ns);

// By those of its tasks that live.
struct Held {
    __u64 private_pages = 0;  // mapped for itself to write, used or not
    __u64 mounts = 0;         // of its mount namespaces
    __u64 tcp_sent_bytes = 0;
    __u64 tcp_received_bytes = 0;
    __u64 other_sent_bytes = 0;
    __u64 other_received_bytes = 0;
};

Result<Held> read_held(bh_label label);

// Lets the programs know where the kernel keeps them. kUnsupported as above.
Status find_user_counts();

// The same in the form of /proc/kallsyms.
Result<__u64> user_counts_in(std::istream& symbols);

}  // namespace bulkhead::loader
