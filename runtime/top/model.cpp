#include "runtime/top/model.h"

#include <algorithm>
#include <numeric>

#include "runtime/json.h"

namespace bulkhead::runtime::top {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// Per second; counts that went back (another life of that serial, a wrap) are none.
class Interval {
public:
    explicit Interval(std::uint64_t ns) : ns_(ns) {}

    [[nodiscard]] std::uint64_t rate(std::uint64_t before, std::uint64_t now,
                                     std::uint64_t scale = 1) const {
        if (ns_ == 0 || now < before)
            return 0;
        using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(Wide{now - before} * kSecond / scale / ns_);
    }

private:
    std::uint64_t ns_;
};

Rates rates_of(const Usage& before, const Usage& now, const Interval& interval) {
    constexpr std::uint64_t kPermille = kSecond / 1000;  // nanoseconds of a CPU's second
    return {.cpu_permille = interval.rate(before.cpu_ns, now.cpu_ns, kPermille),
            .waiting_permille =
                interval.rate(before.run_queue_delay_ns, now.run_queue_delay_ns, kPermille),
            .received_bytes = interval.rate(before.received().bytes, now.received().bytes),
            .sent_bytes = interval.rate(before.sent().bytes, now.sent().bytes),
            .read_bytes = interval.rate(before.read.bytes, now.read.bytes),
            .written_bytes = interval.rate(before.written.bytes, now.written.bytes),
            .refused = interval.rate(before.refused(), now.refused())};
}

void remember(std::deque<std::uint64_t>& history, std::uint64_t value) {
    history.push_back(value);
    if (history.size() > kHistory)
        history.pop_front();
}

std::uint64_t key_of(const Row& row, Sort sort) {
    switch (sort) {
        case Sort::kCpu:
            return row.rates.cpu_permille;
        case Sort::kMemory:
            return row.usage.memory_bytes;
        case Sort::kNetwork:
            return row.rates.received_bytes + row.rates.sent_bytes;
        case Sort::kDisk:
            return row.rates.read_bytes + row.rates.written_bytes;
        case Sort::kTasks:
            return row.usage.tasks;
        case Sort::kRefused:
            return row.usage.refused();
        case Sort::kName:
            break;
    }
    return 0;
}

}  // namespace

const char* sort_name(Sort sort) {
    constexpr std::array kNames = {"cpu", "memory", "network", "disk", "tasks", "refused", "name"};
    return kNames[static_cast<std::size_t>(sort)];
}

void Model::take(const std::vector<Usage>& all, std::uint64_t now_ns) {
    const Interval interval(taken_ns_ == 0 ? 0 : now_ns - taken_ns_);
    std::map<std::uint32_t, Row> rows;
    for (const Usage& usage : all) {
        Row row{.usage = usage, .rates = {}, .cpu_permille = {}, .memory_bytes = {}};
        if (const auto before = rows_.find(usage.serial); before != rows_.end()) {
            row.rates = rates_of(before->second.usage, usage, interval);
            row.cpu_permille = std::move(before->second.cpu_permille);
            row.memory_bytes = std::move(before->second.memory_bytes);
            remember(row.cpu_permille, row.rates.cpu_permille);
        }
        remember(row.memory_bytes, usage.memory_bytes);
        rows.emplace(usage.serial, std::move(row));
    }
    rows_ = std::move(rows);
    taken_ns_ = now_ns;
}

std::vector<const Row*> Model::rows(Sort sort, Order order, const std::string& filter) const {
    std::vector<const Row*> rows;
    for (const auto& [serial, row] : rows_)
        if (row.usage.environment.find(filter) != std::string::npos)
            rows.push_back(&row);
    // By name where the numbers are equal, so that lines do not jump.
    std::sort(rows.begin(), rows.end(), [](const Row* a, const Row* b) {
        return a->usage.environment < b->usage.environment;
    });
    if (sort == Sort::kName) {
        if (order == Order::kSmallestFirst)
            std::reverse(rows.begin(), rows.end());
        return rows;
    }
    std::stable_sort(rows.begin(), rows.end(), [&](const Row* a, const Row* b) {
        return order == Order::kLargestFirst ? key_of(*a, sort) > key_of(*b, sort)
                                             : key_of(*a, sort) < key_of(*b, sort);
    });
    return rows;
}

const Row* Model::find(std::uint32_t serial) const {
    const auto found = rows_.find(serial);
    return found == rows_.end() ? nullptr : &found->second;
}

std::uint64_t Model::cpu_permille() const {
    return std::accumulate(
        rows_.begin(), rows_.end(), std::uint64_t{0},
        [](std::uint64_t sum, const auto& row) { return sum + row.second.rates.cpu_permille; });
}

std::uint64_t Model::memory_bytes() const {
    return std::accumulate(
        rows_.begin(), rows_.end(), std::uint64_t{0},
        [](std::uint64_t sum, const auto& row) { return sum + row.second.usage.memory_bytes; });
}

Json to_json(const Row& row) {
    return {{"environment", row.usage.environment},
            {"cpu_permille", row.rates.cpu_permille},
            {"waiting_permille", row.rates.waiting_permille},
            {"memory_bytes", row.usage.memory_bytes},
            {"tasks", row.usage.tasks},
            {"received_bytes_per_second", row.rates.received_bytes},
            {"sent_bytes_per_second", row.rates.sent_bytes},
            {"read_bytes_per_second", row.rates.read_bytes},
            {"written_bytes_per_second", row.rates.written_bytes},
            {"refused_per_second", row.rates.refused},
            {"usage", runtime::to_json(row.usage)}};
}

}  // namespace bulkhead::runtime::top
