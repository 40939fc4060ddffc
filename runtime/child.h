// The environment's first process, from clone3 until it waits for its label: what only a process
// inside the new namespaces can do.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

#include "runtime/channel.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

// Where the starter attaches the new root in the child's mount namespace. Any directory that
// exists on the host would do; it is covered there only, and gone after pivot_root(2).
inline constexpr const char* kStage = "/run/bulkhead";

enum class OutputKind {
    kInherited,
    kStateFile,  // /run/bulkhead/NAME/output
};

// The standard descriptors of the new process; -1 leaves the inherited one.
struct Stdio {
    int input = -1;
    int output = -1;
    int error = -1;
    OutputKind output_kind = OutputKind::kInherited;
};

// Runs in the child and does not return: waits for the root to be attached on kStage, finishes
// it, enters it, reports its super blocks, waits for the label, becomes the payload.
[[noreturn]] void run_child(const EnvironmentSpec& spec, const Channel& channel,
                            const Stdio& stdio);

// Makes `owner` the owner of the pipes among the standard descriptors, so that who lives inside can
// open them again through /dev/stdout. Terminals and files stay their owner's.
void give_pipes(const Stdio& stdio, uid_t owner);

// The inodes behind the standard descriptors; those of null devices and pipes too, which the fence
// lets through anyway.
std::array<bh_inode, 3> inodes_of(const Stdio& stdio);

// Makes `stdio` the standard descriptors and closes everything above them but `keep`.
void install_stdio(const Stdio& stdio, int keep);
// Makes a terminal the controlling one and all three standard descriptors. False with errno.
bool install_terminal(const char* path);

// The kernel's number of the super block that `fd` lies on; 0 when it cannot be told.
std::uint32_t super_block_of(int fd);

}  // namespace bulkhead::runtime
