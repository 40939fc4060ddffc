#include "tests/kernel/escape/technique.h"

#include <deque>
#include <utility>

#include "loader/refusals.h"

namespace bulkhead::tests {
namespace {

// References to its elements stay valid while it grows.
std::deque<Technique>& techniques() {
    static std::deque<Technique> rows;
    return rows;
}

std::string second_lock_of(const Technique& technique) {
    std::string text;
    for (const SecondLock& lock : technique.second_lock)
        text += std::string(text.empty() ? "" : " or ") + "`" + loader::hook_name(lock.hook) +
                "`: " + loader::class_name(lock.class_id);
    return text.empty() ? "none: the first lock alone" : text;
}

}  // namespace

const Technique* enlist(Technique technique) {
    return &techniques().emplace_back(std::move(technique));
}

std::string technique_rows() {
    std::string rows;
    for (const Technique& technique : techniques())
        rows += std::string("| ") + technique.group + " | " + technique.name + " | " +
                technique.first_lock + " | " + second_lock_of(technique) + " | " +
                technique.kernels + " |\n";
    return rows;
}

}  // namespace bulkhead::tests
