// Acts of one kind, each by the cheapest calls that do it: what a program on a hook makes dearer.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::bench {

enum class Frees {
    kAtOnce,
    // After a grace period: how many objects still wait for that decides what the next one costs.
    kLater,
};

struct Operation {
    std::string_view name;
    // How many acts are timed together: enough that the clock's own cost is lost in them, few
    // enough that the timer, at every 4 million instructions, meets few batches.
    int batch;
    // Makes what the act needs, in the process that is measured, and returns the act. What the
    // act returns is not looked at: inside an environment some are refused.
    std::function<void()> (*prepare)();
    Frees frees = Frees::kAtOnce;
};

std::span<const Operation> file_operations();
std::span<const Operation> process_operations();
std::span<const Operation> socket_operations();
std::span<const Operation> object_operations();   // System V IPC and keys
std::span<const Operation> surface_operations();  // what few programs ever call
std::vector<Operation> all_operations();

// What rules decide about, with the paths and networks of bench/policies.h; not among
// all_operations().
std::span<const Operation> rule_operations();

// Rules in the policies that these acts are measured with.
inline constexpr int kPathRules = 10;
inline constexpr int kNetworkRules = 1000;
// More rules than open_first opens files, each the first beneath its rule.
inline constexpr int kSeparateRules = 20;
// Files that are opened once each, and the one that exec tries: made before, by whoever measures.
inline constexpr int kNewFiles = 800;
inline constexpr const char* kNoProgram = "/tmp/no-program";

// False: no act can tell what a program on `hook` costs, because the act varies by far more or
// because the program does not run within it.
bool is_measurable(std::string_view hook);

// The operation that reaches `hook`; empty: none does.
std::string_view operation_of(std::string_view hook);

// A forked child that only waits, and ends with its parent.
int fork_waiting_child();

}  // namespace bulkhead::bench
