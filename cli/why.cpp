// bulkhead why: the last refusals of an environment, explained.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>

#include "cli/commands.h"
#include "loader/refusals.h"
#include "runtime/clock.h"
#include "runtime/explain.h"
#include "runtime/format.h"
#include "runtime/json.h"
#include "runtime/life.h"
#include "runtime/refusal_json.h"
#include "runtime/refusal_report.h"

namespace bulkhead::cli {
namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;
constexpr timespec kPoll = {0, 200'000'000};

volatile std::sig_atomic_t interrupted = 0;

struct Options {
    std::string name;
    std::string since;
    bool all = false;
    bool follow = false;
    bool json = false;
};

std::uint64_t boot_time_ns() {
    timespec boot{};
    ::clock_gettime(CLOCK_BOOTTIME, &boot);
    return static_cast<std::uint64_t>(boot.tv_sec) * kNanoseconds +
           static_cast<std::uint64_t>(boot.tv_nsec);
}

std::string when(std::uint64_t time_ns) {
    return runtime::rfc3339(runtime::unix_ns_of_boot_ns(time_ns));
}

std::string flags(const bh_refusal& refusal) {
    if ((refusal.flags & BH_REFUSAL_AUDITED) != 0)
        return " (allowed: audit)";
    if ((refusal.flags & BH_REFUSAL_EXCEEDED) != 0)
        return " (recorded: past the amount)";
    if ((refusal.flags & BH_REFUSAL_WARNED) != 0)
        return refusal.object_kind == BH_OBJECT_BUDGET ? " (allowed: past the warning)"
                                                       : " (allowed: past the barrier)";
    return (refusal.flags & BH_REFUSAL_INTERNAL) != 0 ? " (could not be decided)" : "";
}

// What happened, without when.
std::string act_of(const runtime::ExplainedRefusal& refusal) {
    const bh_refusal& row = refusal.row;
    const std::string uid = refusal.uid_inside
                                ? formatted("{} ({} outside)", *refusal.uid_inside, row.uid)
                                : formatted("{} outside", row.uid);
    return formatted("{}[{}] uid {}: {} {}: {}{}", runtime::comm_of(row), row.pid, uid,
                     loader::hook_name(row.hook), runtime::describe_object(row),
                     runtime::error_name(row), flags(row));
}

// Who decided it, and what would decide otherwise.
void print_reason(const runtime::ExplainedRefusal& refusal) {
    const bh_refusal& row = refusal.row;
    const std::string by = refusal.rule_text.empty()
                               ? formatted("rule {}", loader::class_name(row.class_id))
                               : refusal.rule_text;
    print_formatted("    by {} ({}), generation {}\n", by, loader::class_meaning(row.class_id),
                    row.generation);
    if (!refusal.to_allow.empty())
        print_formatted("    to allow it: {}\n", refusal.to_allow);
}

void print(const Options& options, const runtime::ExplainedRefusal& refusal) {
    if (options.json && options.follow) {
        std::puts(to_json(options.name, refusal).compact().c_str());
        return;
    }
    print_formatted("{} {}\n", when(refusal.row.time_ns), act_of(refusal));
    print_reason(refusal);
}

void print(const runtime::RefusalGroup& group) {
    const bh_refusal& row = group.last.row;
    if (group.count == 1)
        print_formatted("{} {}\n", when(row.time_ns), act_of(group.last));
    else
        print_formatted("{} {} times since {}, last: {}\n", when(row.time_ns), group.count,
                        when(group.first_ns), act_of(group.last));
    print_reason(group.last);
}

// One look at an environment that may end while it is looked at.
class Watch {
public:
    static Result<Watch> open(const std::string& name) {
        BULKHEAD_TRY_VALUE(environments, runtime::open_loaded());
        BULKHEAD_TRY_VALUE(label, runtime::find_environment(environments, name));
        return Watch(name, std::move(environments), label);
    }

    // Those recorded after `sequence` and not before `oldest_ns`, oldest first.
    Result<std::vector<bh_refusal>> rows(std::uint64_t sequence, std::uint64_t oldest_ns) {
        const bh_state* state = environments_.state(label_);
        if (state == nullptr)
            return std::vector<bh_refusal>{};
        BULKHEAD_TRY_VALUE(rows, loader::read_refusals(label_, state->refusal_count));
        std::erase_if(rows, [&](const bh_refusal& row) {
            return row.sequence <= sequence || row.time_ns < oldest_ns;
        });
        return rows;
    }

    [[nodiscard]] bool ended() const { return environments_.record(label_) == nullptr; }

    runtime::ExplainedRefusal explain(const bh_refusal& row) {
        return report_.explain(row, environments_);
    }
    std::vector<runtime::RefusalGroup> group(const std::vector<bh_refusal>& rows) {
        return report_.group(rows, environments_);
    }

private:
    Watch(const std::string& name, loader::Environments environments, bh_label label)
        : environments_(std::move(environments)),
          label_(label),
          report_(name, *environments_.record(label)) {}

    loader::Environments environments_;
    bh_label label_;
    runtime::RefusalReport report_;
};

Result<int> print_once(const Options& options, Watch& watch, std::uint64_t oldest_ns) {
    BULKHEAD_TRY_VALUE(rows, watch.rows(0, oldest_ns));
    if (options.json) {
        Json array = Json::array();
        for (const bh_refusal& row : rows)
            array.push_back(to_json(options.name, watch.explain(row)));
        std::puts(array.indented().c_str());
        return 0;
    }
    if (options.all) {
        for (const bh_refusal& row : rows)
            print(options, watch.explain(row));
    } else {
        for (const runtime::RefusalGroup& group : watch.group(rows))
            print(group);
    }
    if (rows.empty())
        print_formatted("nothing was refused\n");
    return 0;
}

// Until the environment ends or the person has seen enough.
Result<int> follow(const Options& options, Watch& watch, std::uint64_t oldest_ns) {
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::uint64_t seen = 0;
    while (interrupted == 0) {
        const bool last = watch.ended();
        BULKHEAD_TRY_VALUE(rows, watch.rows(seen, oldest_ns));
        for (const bh_refusal& row : rows) {
            if (seen != 0 && row.sequence > seen + 1 && !options.json)
                print_formatted("({} more are gone already)\n", row.sequence - seen - 1);
            print(options, watch.explain(row));
            seen = row.sequence;
        }
        std::fflush(stdout);
        if (last)
            break;
        ::nanosleep(&kPoll, nullptr);
    }
    return 0;
}

Result<int> why(const Options& options) {
    std::uint64_t oldest_ns = 0;
    if (!options.since.empty()) {
        BULKHEAD_TRY_VALUE(since_ns, runtime::parse_duration(options.since));
        const std::uint64_t now_ns = boot_time_ns();
        oldest_ns = now_ns - std::min(now_ns, since_ns);
    }
    BULKHEAD_TRY_VALUE(watch, Watch::open(options.name));
    return options.follow ? follow(options, watch, oldest_ns)
                          : print_once(options, watch, oldest_ns);
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    set.flag("--all", options->all, "each refusal by itself, not once for each rule");
    set.flag("-f,--follow", options->follow, "go on until it ends, or until Ctrl-C");
    set.value("--since", options->since, "only of the last time, such as 30s, 10m or 2h");
    set.flag("--json", options->json, "print JSON; with --follow an object a line");
    return [options](const Payload&) { return why(*options); };
}

}  // namespace

const Command kWhy = {"why", "explain the last refusals", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
