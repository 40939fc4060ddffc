#include "runtime/event_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <utility>

#include "loader/cgroup_programs.h"
#include "loader/pins.h"
#include "loader/refusals.h"
#include "runtime/clock.h"
#include "runtime/json.h"
#include "runtime/refusal_json.h"

namespace bulkhead::runtime {
namespace {

std::map<std::string, std::uint64_t> read_counters(int cgroup, const char* file) {
    const UniqueFd fd(::openat(cgroup, file, O_RDONLY | O_CLOEXEC));
    std::array<char, 512> text{};
    const ssize_t bytes = fd ? ::read(fd.get(), text.data(), text.size()) : 0;
    std::istringstream lines(std::string(text.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0));
    std::map<std::string, std::uint64_t> counters;
    std::string name;
    for (std::uint64_t value = 0; lines >> name >> value;)
        counters[name] = value;
    return counters;
}

// An event for each counter that has grown and has a name here.
void tell_growth(const std::map<std::string, std::uint64_t>& before,
                 const std::map<std::string, std::uint64_t>& now,
                 const std::map<std::string, const char*>& names, const std::string& environment,
                 std::vector<Json>& events) {
    for (const auto& [counter, event] : names) {
        const auto old = before.find(counter);
        const auto value = now.find(counter);
        const std::uint64_t known = old == before.end() ? 0 : old->second;
        if (value == now.end() || value->second <= known)
            continue;
        events.push_back({{"time", rfc3339(unix_now_ns())},
                          {"event", event},
                          {"environment", environment},
                          {"count", value->second - known}});
    }
}

const char* event_of(const bh_refusal& row) {
    if ((row.flags & BH_REFUSAL_AUDITED) != 0)
        return "audited";
    if ((row.flags & BH_REFUSAL_EXCEEDED) != 0)
        return "budget-exceeded";
    if ((row.flags & BH_REFUSAL_WARNED) == 0)
        return "refused";
    return row.object_kind == BH_OBJECT_BUDGET ? "budget-warning" : "past-barrier";
}

Json refused_event(const std::string& environment, const ExplainedRefusal& refusal) {
    Json event = to_json(environment, refusal);
    event["event"] = event_of(refusal.row);
    return event;
}

}  // namespace

EventWatch::EventWatch(std::string only) : only_(std::move(only)) {}

// They come and go with `load` and `unload`.
bool EventWatch::has_records() {
    const auto state = loader::load_state();
    if (!state || *state == loader::LoadState::kAbsent) {
        environments_.reset();
        return false;
    }
    if (!environments_)
        if (auto opened = loader::Environments::open())
            environments_.emplace(std::move(*opened));
    return environments_.has_value();
}

std::vector<Json> EventWatch::look() {
    std::vector<Json> events;
    // The journal last: what it tells of an environment's end comes after what led to it.
    std::set<std::uint64_t> living;
    if (has_records())
        environments_->for_each([&](bh_label label, const bh_environment& record) {
            living.insert(label.serial);
            if (only_.empty() || only_ == record.name)
                look_at(label, record, events);
        });
    std::erase_if(seen_, [&](const auto& entry) { return !living.contains(entry.first); });
    for (Json& event : journal_.next())
        if (only_.empty() || event["environment"].text() == only_)
            events.push_back(std::move(event));
    if (only_.empty()) {
        for (Json& event : guard_.next())
            events.push_back(std::move(event));
    }
    std::stable_sort(events.begin(), events.end(), [](const Json& a, const Json& b) {
        return a["time"].text() < b["time"].text();
    });
    first_ = false;
    return events;
}

void EventWatch::look_at(bh_label label, const bh_environment& record, std::vector<Json>& events) {
    const std::string name = record.name;
    auto known = seen_.find(label.serial);
    if (known == seen_.end()) {
        known = seen_.emplace(label.serial, Seen{0, {}, {}, RefusalReport(name, record)}).first;
        // What was counted before the first look was counted before anybody asked.
        const bh_state* state = environments_->state(label);
        if (first_ && state != nullptr)
            known->second.refusals = state->refusal_count;
        std::vector<Json> unasked;
        if (first_)
            tell_limits(record, known->second, unasked);
    }
    tell_refusals(label, name, known->second, events);
    tell_limits(record, known->second, events);
}

void EventWatch::tell_refusals(bh_label label, const std::string& name, Seen& seen,
                               std::vector<Json>& events) {
    const bh_state* state = environments_->state(label);
    if (state == nullptr || state->refusal_count == seen.refusals)
        return;
    const auto rows = loader::read_refusals(label, state->refusal_count);
    if (!rows)
        return;
    for (const bh_refusal& row : *rows) {
        if (row.sequence <= seen.refusals)
            continue;
        if (row.sequence > seen.refusals + 1)
            events.push_back({{"time", rfc3339(unix_ns_of_boot_ns(row.time_ns))},
                              {"event", "refusals-lost"},
                              {"environment", name},
                              {"count", row.sequence - seen.refusals - 1}});
        events.push_back(refused_event(name, seen.report.explain(row, *environments_)));
        seen.refusals = row.sequence;
    }
}

void EventWatch::tell_limits(const bh_environment& record, Seen& seen, std::vector<Json>& events) {
    const auto cgroup = loader::open_cgroup(record.cgroup_id);
    if (!cgroup)
        return;
    auto memory = read_counters(cgroup->get(), "memory.events");
    auto pids = read_counters(cgroup->get(), "pids.events");
    tell_growth(seen.memory, memory, {{"max", "memory-limit"}, {"oom_kill", "oom-kill"}},
                record.name, events);
    tell_growth(seen.pids, pids, {{"max", "process-limit"}}, record.name, events);
    seen.memory = std::move(memory);
    seen.pids = std::move(pids);
}

}  // namespace bulkhead::runtime
