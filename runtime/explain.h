// A refusal as people read it.
#pragma once

#include <string>

#include "bpf/wire.h"

namespace bulkhead::runtime {

// What was acted on: "/etc/shadow (device 8:1, inode 42)", "pid 812 (sshd) of the host", …
std::string describe_object(const bh_refusal& refusal);

// The error's name: "EPERM".
std::string error_name(const bh_refusal& refusal);

// The environment whose socket was at the address that was refused; "" where none is known.
std::string reached_environment(const bh_refusal& refusal);

// The path in the refusal's text, from its root down; "…/" in front when it was cut.
std::string refused_path(const bh_refusal& refusal);

}  // namespace bulkhead::runtime
