// Where kernels differ in hooks: which programs of the skeleton are loaded, and with which
// constants. Decided from the kernel's own BTF, not from a version.
#pragma once

#include "loader/result.h"

struct bulkhead_bpf;

namespace bulkhead::loader {

// Turns off the programs whose hook this kernel does not have where another program covers the
// same control, and fills in the skeleton's constants. A hook without a substitute stays on, so
// that the load fails and names it.
Status select_variants(const bulkhead_bpf& skeleton);

}  // namespace bulkhead::loader
