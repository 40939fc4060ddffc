// What user space remembers of an environment: /run/bulkhead/NAME/{environment.json,lock,output}.
// The kernel's record is the truth of who lives; this says how it was specified, and who minds it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {

inline constexpr std::string_view kStateRoot = "/run/bulkhead";
inline constexpr std::string_view kKeptRoot = "/var/lib/bulkhead";

// What is known once it has started.
struct EnvironmentState {
    EnvironmentSpec spec;
    bh_label label{};
    std::int32_t pid = 0;             // of its first process, on the host
    std::uint64_t started_ns = 0;     // CLOCK_BOOTTIME
    std::string started_at;           // UTC, RFC 3339
    std::uint64_t start_cost_ns = 0;  // from the command to the payload's execve
};

// The directory of one environment. Whoever minds it holds the lock: `run` in the foreground for
// the environment's life, a command for the time it changes it.
class StateDirectory {
public:
    // EEXIST: the name is taken. The lock is held from before others can see the directory under
    // lock_state_root().
    static Result<StateDirectory> create(std::string_view name);
    // ENOENT: there is none.
    static Result<StateDirectory> open(std::string_view name);

    // False when another process minds it.
    [[nodiscard]] Result<bool> try_lock();

    Status save(const EnvironmentState& state) const;
    [[nodiscard]] Result<EnvironmentState> load() const;
    // True the first time: its end was not told of yet.
    [[nodiscard]] bool mark_end_told() const;
    // Its final usage is in the ledger, or waits for it. Of those that are kept after their end.
    Status mark_receipt_stored() const;
    [[nodiscard]] bool is_receipt_stored() const;
    // Where a detached environment's output goes: opened for appending.
    [[nodiscard]] Result<UniqueFd> open_output() const;

private:
    StateDirectory(std::string name, UniqueFd directory, UniqueFd lock)
        : name_(std::move(name)), directory_(std::move(directory)), lock_(std::move(lock)) {}

    std::string name_;
    UniqueFd directory_;
    UniqueFd lock_;
};

std::string state_path(std::string_view name);

// Removes the directory with everything in it, and the kept writable layer.
Status remove_state(std::string_view name);

// Names that have a state directory, sorted.
std::vector<std::string> stored_names();

// Keeps names from coming and going while the descriptor lives.
Result<UniqueFd> lock_state_root();

// Makes /run/bulkhead. kUnsupported when it cannot be.
Status prepare_state_root();

// Makes the directory of a kept writable layer and returns its path.
Result<std::string> make_kept_layer(std::string_view name);

// Serialisation; from_json names the field that is wrong.
std::string to_json(const EnvironmentState& state);
Result<EnvironmentState> state_from_json(const std::string& text);

}  // namespace bulkhead::runtime
