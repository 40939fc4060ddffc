// Acts of one kind, each by the cheapest calls that do it: what a program on a hook makes dearer.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::bench {

struct Operation {
    std::string_view name;
    int batch;  // how many acts are timed together
    // Makes what the act needs, in the process that is measured, and returns the act. What the
    // act returns is not looked at: inside an environment some are refused.
    std::function<void()> (*prepare)();
};

std::span<const Operation> file_operations();
std::span<const Operation> process_operations();
std::span<const Operation> socket_operations();
std::span<const Operation> object_operations();   // System V IPC and keys
std::span<const Operation> surface_operations();  // what few programs ever call
std::vector<Operation> all_operations();

// The operation that reaches `hook`; empty: none does.
std::string_view operation_of(std::string_view hook);

// A forked child that only waits, and ends with its parent.
int fork_waiting_child();

}  // namespace bulkhead::bench
