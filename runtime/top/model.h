// What `bulkhead top` shows: rates, from one reading of all environments to the next.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "runtime/json.h"
#include "runtime/usage.h"

namespace bulkhead::runtime::top {

// Of one environment, per second of the last interval; 0 in the first.
struct Rates {
    std::uint64_t cpu_permille = 0;  // of one CPU
    std::uint64_t waiting_permille = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t refused = 0;
};

struct Row {
    Usage usage;
    Rates rates;
    // Oldest first, of at most kHistory intervals.
    std::deque<std::uint64_t> cpu_permille;
    std::deque<std::uint64_t> memory_bytes;
};

inline constexpr std::size_t kHistory = 120;

enum class Sort { kCpu, kMemory, kNetwork, kDisk, kTasks, kRefused, kName };
inline constexpr int kSorts = 7;
const char* sort_name(Sort sort);
enum class Order { kLargestFirst, kSmallestFirst };

class Model {
public:
    // A reading of all environments at a time of a clock that is never set. What is not in it any
    // more is forgotten.
    void take(const std::vector<Usage>& all, std::uint64_t now_ns);

    // Those whose name has `filter` in it.
    [[nodiscard]] std::vector<const Row*> rows(Sort sort, Order order,
                                               const std::string& filter) const;
    // nullptr: it is gone.
    [[nodiscard]] const Row* find(std::uint32_t serial) const;
    [[nodiscard]] std::size_t count() const { return rows_.size(); }
    [[nodiscard]] std::uint64_t cpu_permille() const;  // of all
    [[nodiscard]] std::uint64_t memory_bytes() const;

private:
    std::map<std::uint32_t, Row> rows_;  // by serial
    std::uint64_t taken_ns_ = 0;
};

// {"environment": …, "cpu_permille": …, …}, rates per second.
Json to_json(const Row& row);

}  // namespace bulkhead::runtime::top
