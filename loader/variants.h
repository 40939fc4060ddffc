// Where kernels differ in hooks: which programs of the skeleton are loaded, and with which
// constants. Decided from the kernel's own BTF, not from a version.
#pragma once

#include "loader/result.h"

struct bulkhead_bpf;

namespace bulkhead::loader {

struct Variants {
    // What the meter of memory by kind lacks on this kernel. An error to whoever loads; who only
    // tries the programs goes on and tells.
    Status meters;
};

// Turns off the programs whose hook this kernel does not have where another program covers the
// same control, and fills in the skeleton's constants. A hook without a substitute stays on, so
// that the load fails and names it.
Result<Variants> select_variants(const bulkhead_bpf& skeleton);

}  // namespace bulkhead::loader
