#include "runtime/beancounters.h"

#include <array>
#include <charconv>

#include "loader/cgroup_programs.h"
#include "loader/environments.h"
#include "runtime/cgroup.h"
#include "runtime/life.h"
#include "runtime/policy/mistakes.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::string_view kUnlimited = "unlimited";

// What the environment's cgroup bounds, and where it says how often.
struct InCgroup {
    bh_beancounter_id counter;
    const char* limit;
    const char* events;
    std::string_view event;
    std::uint64_t unit;
};

constexpr std::array kInCgroup = {
    InCgroup{BH_BEANCOUNTER_NUMPROC, "pids.max", "pids.events", "max", 1},
    InCgroup{BH_BEANCOUNTER_PHYSPAGES, "memory.max", "memory.events", "oom", kPageBytes},
    InCgroup{BH_BEANCOUNTER_SWAPPAGES, "memory.swap.max", "memory.swap.events", "max", kPageBytes},
};

// What is part of physpages, by its item of memory.stat: only shown.
struct InMemory {
    bh_beancounter_id counter;
    std::string_view item;
    std::uint64_t unit;
};

constexpr std::array kInMemory = {
    InMemory{BH_BEANCOUNTER_KMEMSIZE, "kernel", 1},
    InMemory{BH_BEANCOUNTER_SHMPAGES, "shmem", kPageBytes},
    InMemory{BH_BEANCOUNTER_LOCKEDPAGES, "unevictable", kPageBytes},
    InMemory{BH_BEANCOUNTER_DCACHESIZE, "slab_reclaimable", 1},
};

const InMemory* in_memory(unsigned counter) {
    for (const InMemory& row : kInMemory)
        if (row.counter == counter)
            return &row;
    return nullptr;
}

const InCgroup* in_cgroup(unsigned counter) {
    for (const InCgroup& row : kInCgroup)
        if (row.counter == counter)
            return &row;
    return nullptr;
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::string_view without_newline(std::string_view text) {
    return text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
}

// "max" is no bound.
std::optional<std::uint64_t> read_bound(const Cgroup& cgroup, const InCgroup& row) {
    const auto text = cgroup.read(row.limit);
    if (!text)
        return std::nullopt;
    if (without_newline(*text) == "max")
        return BH_UNLIMITED;
    const auto bound = number(without_newline(*text));
    return bound ? std::optional(*bound / row.unit) : std::nullopt;
}

// Of a file with a line "NAME COUNT" for each item.
std::optional<std::uint64_t> read_item(const Cgroup& cgroup, const char* file,
                                       std::string_view name) {
    const auto text = cgroup.read(file);
    std::string_view rest = text ? std::string_view(*text) : std::string_view();
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        if (line.starts_with(name) && line.substr(name.size()).starts_with(' '))
            return number(line.substr(name.size() + 1));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
    return std::nullopt;
}

std::optional<std::uint64_t> read_pages(const Cgroup& cgroup, const char* file) {
    const auto text = cgroup.read(file);
    const auto bytes = text ? number(without_newline(*text)) : std::nullopt;
    return bytes ? std::optional(*bytes / kPageBytes) : std::nullopt;
}

Beancounter counted(unsigned counter, const bh_beancounters& row) {
    Beancounter found{loader::beancounter_name(counter), {}, {}, {}, {}, {}};
    if ((row.counted & 1U << counter) == 0)
        return found;
    const bh_beancounter& values = row.counters[counter];
    found.held = values.held;
    found.maxheld = values.maxheld;
    found.barrier = values.barrier;
    found.limit = values.limit;
    found.failcnt = values.failcnt;
    return found;
}

Beancounter from_cgroup(const InCgroup& row, const Cgroup& cgroup, const Usage& usage) {
    Beancounter found{loader::beancounter_name(row.counter), {}, {}, {}, {}, {}};
    found.limit = read_bound(cgroup, row);
    found.barrier = found.limit;
    found.failcnt = read_item(cgroup, row.events, row.event);
    if (row.counter == BH_BEANCOUNTER_NUMPROC) {
        found.held = usage.tasks;
        found.maxheld = usage.tasks_peak;
    } else if (row.counter == BH_BEANCOUNTER_PHYSPAGES) {
        found.held = usage.memory_bytes / kPageBytes;
        found.maxheld = usage.memory_peak_bytes / kPageBytes;
    } else {
        found.held = usage.swap_bytes / kPageBytes;
        found.maxheld = read_pages(cgroup, "memory.swap.peak");
    }
    return found;
}

Beancounter from_memory(const InMemory& row, const Cgroup& cgroup) {
    Beancounter found{loader::beancounter_name(row.counter), {}, {}, {}, {}, {}};
    if (const auto amount = read_item(cgroup, "memory.stat", row.item))
        found.held = *amount / row.unit;
    return found;
}

Result<std::uint64_t> parse_bound(std::string_view text, const std::string& whole) {
    if (text == kUnlimited)
        return BH_UNLIMITED;
    const auto bound = number(text);
    if (!bound || *bound == BH_UNLIMITED)
        return fail(
            Error(0, "\"" + std::string(text) + "\" in --beancounter " + whole + " is no number",
                  Fault::kUsage)
                .advise("NAME=BARRIER:LIMIT, each a number or unlimited"));
    return *bound;
}

Result<bh_beancounter_id> parse_name(std::string_view name) {
    std::vector<std::string_view> names;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter)
        names.emplace_back(loader::beancounter_name(counter));
    std::string known;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter) {
        if (name == names[counter])
            return static_cast<bh_beancounter_id>(counter);
        known += (counter == 0 ? "" : ", ") + std::string(names[counter]);
    }
    return fail(Error(0,
                      "no beancounter is named \"" + std::string(name) + "\"" +
                          policy::did_you_mean(name, names),
                      Fault::kUsage)
                    .advise("beancounters are " + known));
}

Status check_bounds(const BeancounterBounds& wanted) {
    const std::string name = loader::beancounter_name(wanted.counter);
    if (in_memory(wanted.counter) != nullptr)
        return fail(Error(0, name + " has no limit of its own", Fault::kUsage)
                        .advise("it is part of physpages, which has one"));
    if (wanted.bounds.barrier > wanted.bounds.limit)
        return fail(Error(0, "the barrier of " + name + " is above its limit", Fault::kUsage)
                        .advise(name + "=BARRIER:LIMIT"));
    if (in_cgroup(wanted.counter) != nullptr && wanted.bounds.barrier != wanted.bounds.limit)
        return fail(Error(0, name + " has no barrier beside its limit", Fault::kUsage)
                        .advise(name + "=LIMIT"));
    return {};
}

bool is_bounded(const loader::Bounds& bounds) {
    return bounds.barrier != BH_UNLIMITED || bounds.limit != BH_UNLIMITED;
}

}  // namespace

Result<std::vector<Beancounter>> read_beancounters(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    BULKHEAD_TRY_VALUE(usage, read_usage(cgroup->fd()));
    BULKHEAD_TRY_VALUE(row, loader::read_beancounters(label));
    std::vector<Beancounter> all;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter) {
        if (const InCgroup* of_cgroup = in_cgroup(counter))
            all.push_back(from_cgroup(*of_cgroup, *cgroup, usage));
        else if (const InMemory* of_memory = in_memory(counter))
            all.push_back(from_memory(*of_memory, *cgroup));
        else
            all.push_back(counted(counter, row.value_or(bh_beancounters{})));
    }
    return all;
}

Result<BeancounterBounds> parse_bounds(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return fail(Error(0, "--beancounter " + text + " gives no bounds", Fault::kUsage)
                        .advise("NAME=BARRIER:LIMIT, such as numfile=900:1000"));
    BULKHEAD_TRY_VALUE(counter, parse_name(std::string_view(text).substr(0, equals)));
    const std::string_view bounds = std::string_view(text).substr(equals + 1);
    const std::size_t colon = bounds.find(':');
    BeancounterBounds wanted{counter, {}};
    BULKHEAD_TRY_VALUE(barrier, parse_bound(bounds.substr(0, colon), text));
    wanted.bounds = {barrier, barrier};
    if (colon != std::string_view::npos) {
        BULKHEAD_TRY_VALUE(limit, parse_bound(bounds.substr(colon + 1), text));
        wanted.bounds.limit = limit;
    }
    BULKHEAD_TRY(check_bounds(wanted));
    return wanted;
}

Status set_bounds(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                  const BeancounterBounds& wanted) {
    const loader::Bounds& bounds = wanted.bounds;
    if (const InCgroup* row = in_cgroup(wanted.counter)) {
        const bool unlimited = bounds.limit > BH_UNLIMITED / row->unit;
        BULKHEAD_TRY(
            cgroup.write(row->limit, unlimited ? "max" : std::to_string(bounds.limit * row->unit)));
        // Only of tasks do programs say why they were refused.
        if (wanted.counter != BH_BEANCOUNTER_NUMPROC)
            return {};
    }
    return is_bounded(bounds) ? loader::set_bounds(environments, label, wanted.counter, bounds)
                              : loader::clear_bounds(environments, label, wanted.counter);
}

Status set_bounds_of(const std::string& name, const std::vector<BeancounterBounds>& wanted) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    const bool adopted = (environments.record(label)->flags & BH_ENV_ADOPTED) != 0;
    for (const BeancounterBounds& one : wanted) {
        if (adopted && in_cgroup(one.counter) != nullptr)
            return fail(Error(0,
                              name + " was adopted: the limits of its cgroup are not ours, " +
                                  loader::beancounter_name(one.counter) + " is one of them",
                              Fault::kUsage)
                            .advise("set it where the cgroup is made, such as its service's unit"));
        BULKHEAD_TRY(set_bounds(environments, label, *cgroup, one));
    }
    return {};
}

}  // namespace bulkhead::runtime
