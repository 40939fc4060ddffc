// The acting part of the governor: each act is marked in the row before and after, so that one that
// was interrupted is done again, and none twice at once.
#include <cerrno>
#include <csignal>

#include "loader/environments.h"
#include "loader/governed.h"
#include "loader/store_release.h"
#include "runtime/cgroup.h"
#include "runtime/governor.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/life.h"
#include "runtime/start.h"

namespace bulkhead::runtime {
namespace {

using loader::store_release;

class Actor {
public:
    Actor(const loader::Environments& environments, bh_label label, std::string name,
          bh_governed& governed, Cgroup cgroup)
        : environments_(environments),
          label_(label),
          name_(std::move(name)),
          governed_(governed),
          cgroup_(std::move(cgroup)) {}

    Status carry_out(Due due) {
        switch (due) {
            case Due::kResume:
                return resume();
            case Due::kUnthrottle:
                return unthrottle();
            case Due::kForgetStop:
                forget(BH_ON_STOP);
                return {};
            case Due::kThrottle:
                return throttle();
            case Due::kPause:
                return pause();
            case Due::kAskToStop:
                return ask_to_stop();
            case Due::kKill:
                break;
        }
        return kill();
    }

private:
    [[nodiscard]] bool has_begun(bh_budget_action action) const {
        return (governed_.begun & 1U << action) != 0;
    }

    void begin(bh_budget_action action) {
        store_release(governed_.begun, governed_.begun | 1U << action);
    }

    void finish(bh_budget_action action) {
        store_release(governed_.times[action], governed_.times[action] + 1);
        store_release(governed_.done, governed_.done | 1U << action);
    }

    void forget(bh_budget_action action) {
        store_release(governed_.done, governed_.done & ~(1U << action));
        store_release(governed_.begun, governed_.begun & ~(1U << action));
    }

    // What cpu.max was stands in the row before it is another.
    Status throttle() {
        if (!has_begun(BH_ON_THROTTLE)) {
            BULKHEAD_TRY_VALUE(text, cgroup_.read("cpu.max"));
            BULKHEAD_TRY_VALUE(before, parse_cpu_max(text));
            store_release(governed_.quota_us, __u64{before.quota_us});
            store_release(governed_.quota_period_us, __u64{before.period_us});
            begin(BH_ON_THROTTLE);
        }
        const std::string now = to_cpu_max(throttled(before_throttling()));
        BULKHEAD_TRY(cgroup_.write("cpu.max", now));
        tell("budget-throttled", name_, {{"cpu_max", now}});
        finish(BH_ON_THROTTLE);
        return {};
    }

    Status unthrottle() {
        const std::string before = to_cpu_max(before_throttling());
        BULKHEAD_TRY(cgroup_.write("cpu.max", before));
        tell("budget-resumed", name_, {{"after", "throttle"}, {"cpu_max", before}});
        forget(BH_ON_THROTTLE);
        return {};
    }

    [[nodiscard]] CpuQuota before_throttling() const {
        return {governed_.quota_us, governed_.quota_period_us};
    }

    Status pause() {
        begin(BH_ON_PAUSE);
        BULKHEAD_TRY(cgroup_.write("cgroup.freeze", "1"));
        tell("budget-paused", name_, Json::object());
        finish(BH_ON_PAUSE);
        return {};
    }

    Status resume() {
        BULKHEAD_TRY(cgroup_.write("cgroup.freeze", "0"));
        tell("budget-resumed", name_, {{"after", "pause"}});
        forget(BH_ON_PAUSE);
        return {};
    }

    Status ask_to_stop() {
        begin(BH_ON_STOP);
        BULKHEAD_TRY(signal_first_process(environments_, label_, SIGTERM));
        store_release(governed_.asked_to_stop_ns, __u64{boot_time_ns()});
        tell("budget-stopped", name_, {{"by", "SIGTERM"}});
        finish(BH_ON_STOP);
        return {};
    }

    Status kill() {
        BULKHEAD_TRY(cgroup_.kill_all());
        tell("budget-stopped", name_, {{"by", "SIGKILL"}});
        store_release(governed_.asked_to_stop_ns, __u64{BH_NEVER});
        return {};
    }

    const loader::Environments& environments_;
    bh_label label_;
    std::string name_;
    bh_governed& governed_;
    Cgroup cgroup_;
};

}  // namespace

bool is_running(const loader::Environments& environments, bh_label label) {
    const bh_state* state = environments.state(label);
    return state != nullptr && state->counts.execs != 0 && state->exited_ns == 0;
}

Status govern(const loader::Environments& environments, bh_label label) {
    BULKHEAD_TRY_VALUE(seen, loader::read_governed(label));
    // Whoever starts waits for its command to be executed, which a frozen one would not be.
    if (!seen || due_for(*seen, boot_time_ns()).empty() || !is_running(environments, label))
        return {};
    auto row = loader::GovernedRow::open(label);
    if (!row)
        return fail(std::move(row).error());
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    const std::string name = record->name;
    auto cgroup = cgroup_of_environment(environments, label);
    if (!cgroup)
        return fail(std::move(cgroup).error());
    Actor actor(environments, label, name, (*row)->governed, std::move(*cgroup));
    // Looked at again: another one may have been quicker.
    for (const Due due : due_for(**row, boot_time_ns()))
        if (const Status done = actor.carry_out(due); !done)
            return fail(Error(done.error()).within("carry out the budgets of " + name));
    return {};
}

Status govern_all() {
    BULKHEAD_TRY_VALUE(any, loader::is_anything_governed());
    if (!any)
        return {};
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    Status failed;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if ((record.flags & BH_ENV_GOVERNED) == 0)
            return;
        if (Status done = govern(environments, label); !done && done.error().code() != ESTALE)
            failed = std::move(done);
    });
    return failed;
}

}  // namespace bulkhead::runtime
