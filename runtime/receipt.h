// The final usage of an environment, taken once its last process is gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "loader/result.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

struct Receipt {
    Usage usage;
    std::uint64_t ended_unix_ns = 0;  // when the first process ended; if unknown, now
    // As wait(2) gives it; absent when the first process' end was not seen.
    std::optional<int> exit_status;
};

// To be called when the cgroup is empty, before the record is withdrawn and the cgroup removed.
// Whoever started the environment need not be alive: everything is in the kernel.
Result<Receipt> final_receipt(int cgroup_fd);

nlohmann::json to_json(const Receipt& receipt);

// Writes it as JSON; complete or not at all. A relative path is below the working directory.
Status write_receipt(const Receipt& receipt, const std::string& path);

}  // namespace bulkhead::runtime
