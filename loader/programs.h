// Putting the kernel programs and maps into the kernel, and taking them out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::loader {

struct LoadOptions {
    // Programs that are left out, by name. Only for the proof that a test notices the absence.
    std::vector<std::string> leave_out;
};

enum class LoadOutcome { kLoaded, kAlreadyLoaded };

// Loads, attaches and pins everything, or nothing: if one mandatory program does not attach, the
// error names it and no pin stays. Loaded already with this wire version: a no-op.
Result<LoadOutcome> load(const LoadOptions& options = {});

enum class UnloadOutcome { kUnloaded, kNotLoaded };

enum class Unload { kUnlessProtected, kForce };

// Drops every pin, and returns when the kernel has dropped what they held and no program decides
// any more. EBUSY while environments are published or a task still has the label of one that is
// gone, whoever forces it; EPERM where the programs are protected and that is not forced.
// `first`: done under the lock when nothing is in the way; its failure leaves all as it was.
Result<UnloadOutcome> unload(
    Unload how = Unload::kUnlessProtected,
    const std::function<Status()>& first = [] { return Status{}; });

// Names of all programs in the skeleton, in order.
std::vector<std::string> program_names();

}  // namespace bulkhead::loader
