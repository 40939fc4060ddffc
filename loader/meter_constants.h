// What the meters' programs cannot find out by themselves, filled in before they are loaded.
#pragma once

#include "loader/result.h"

struct btf;
struct bulkhead_bpf;

namespace bulkhead::loader {

// `kernel`: the running kernel's BTF. kUnsupported: the kernel keeps memory by kind where it
// cannot be found.
Status fill_meter_constants(const bulkhead_bpf& skeleton, const btf& kernel);

}  // namespace bulkhead::loader
