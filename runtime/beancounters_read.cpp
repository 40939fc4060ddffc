// What an environment has of the kernel, read wherever it is kept.
#include <algorithm>
#include <cerrno>
#include <charconv>

#include "loader/beancounters.h"
#include "loader/environments.h"
#include "loader/held.h"
#include "runtime/beancounter_sources.h"
#include "runtime/beancounters.h"
#include "runtime/cgroup.h"
#include "runtime/life.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {
namespace {

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
    return bytes ? std::optional(*bytes / kBeancounterPageBytes) : std::nullopt;
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

// `counted`: what programs know of it. The limit is the cgroup's, whoever set it.
Beancounter from_cgroup(const InCgroup& row, const Cgroup& cgroup, const Usage& usage,
                        const bh_beancounters& counted) {
    Beancounter found{loader::beancounter_name(row.counter), {}, {}, {}, {}, {}};
    found.limit = read_bound(cgroup, row);
    found.barrier = found.limit;
    if (found.limit && (counted.counted & 1U << row.counter) != 0)
        found.barrier =
            std::min<std::uint64_t>(counted.counters[row.counter].barrier, *found.limit);
    found.failcnt = read_item(cgroup, row.events, row.event);
    if (row.counter == BH_BEANCOUNTER_NUMPROC) {
        found.held = usage.tasks;
        found.maxheld = usage.tasks_peak;
    } else if (row.counter == BH_BEANCOUNTER_PHYSPAGES) {
        found.held = usage.memory_bytes / kBeancounterPageBytes;
        found.maxheld = usage.memory_peak_bytes / kBeancounterPageBytes;
    } else {
        found.held = usage.swap_bytes / kBeancounterPageBytes;
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

// What the kernel counts itself, with the bounds that programs keep.
Beancounter from_users(unsigned counter, const bh_beancounters& row, std::uint64_t held) {
    Beancounter found = counted(counter, row);
    if (found.held)
        found.maxheld = std::max<std::uint64_t>(row.counters[counter].maxheld, held);
    found.held = held;
    return found;
}

Beancounter only_held(unsigned counter, std::optional<std::uint64_t> held) {
    return {loader::beancounter_name(counter), held, {}, {}, {}, {}};
}

// Of passes over the kernel's books.
class Passes {
public:
    static Result<Passes> over(const bh_environment& record, bh_label label) {
        Passes passes;
        if (record.user_ns != 0)
            BULKHEAD_TRY(passes.read_users(record.user_ns));
        BULKHEAD_TRY_VALUE(held, loader::read_held(label));
        passes.held_ = held;
        return passes;
    }

    [[nodiscard]] Beancounter beancounter(unsigned counter, const bh_beancounters& row) const {
        switch (counter) {
            case BH_BEANCOUNTER_NUMINOTIFY:
                return users_ ? from_users(counter, row, users_->watches) : only_held(counter, {});
            case BH_BEANCOUNTER_NUMSIGINFO:
                return users_ ? from_users(counter, row, users_->signals) : only_held(counter, {});
            case BH_BEANCOUNTER_NUMMNT:
                return only_held(counter, held_.mounts);
            case BH_BEANCOUNTER_PRIVVMPAGES:
                return only_held(counter, held_.private_pages);
            case BH_BEANCOUNTER_TCPSNDBUF:
                return only_held(counter, held_.tcp_sent_bytes);
            case BH_BEANCOUNTER_TCPRCVBUF:
                return only_held(counter, held_.tcp_received_bytes);
            case BH_BEANCOUNTER_OTHERSOCKBUF:
                return only_held(counter, held_.other_sent_bytes);
            case BH_BEANCOUNTER_DGRAMRCVBUF:
                return only_held(counter, held_.other_received_bytes);
            case BH_BEANCOUNTER_NUMIPTENT:
                return only_held(counter, {});
            default:
                return counted(counter, row);
        }
    }

private:
    // A kernel that does not say where they are leaves them out.
    Status read_users(__u32 user_ns) {
        auto users = loader::read_user_counts(user_ns);
        if (!users && users.error().fault() != Fault::kUnsupported)
            return fail(std::move(users).error());
        if (users)
            users_ = *users;
        return {};
    }

    std::optional<loader::UserCounts> users_;
    loader::Held held_;
};

}  // namespace

Result<std::vector<Beancounter>> read_beancounters(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    BULKHEAD_TRY_VALUE(usage, read_usage(cgroup->fd()));
    BULKHEAD_TRY_VALUE(row, loader::read_beancounters(label));
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    BULKHEAD_TRY_VALUE(passes, Passes::over(*record, label));
    const bh_beancounters known = row.value_or(bh_beancounters{});
    std::vector<Beancounter> all;
    for (unsigned counter = 0; counter < BH_BEANCOUNTER_COUNT; ++counter) {
        if (const InCgroup* of_cgroup = in_cgroup(counter))
            all.push_back(from_cgroup(*of_cgroup, *cgroup, usage, known));
        else if (const InMemory* of_memory = in_memory(counter))
            all.push_back(from_memory(*of_memory, *cgroup));
        else
            all.push_back(passes.beancounter(counter, known));
    }
    return all;
}

}  // namespace bulkhead::runtime
