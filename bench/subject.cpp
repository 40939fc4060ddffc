#include "bench/subject.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "bench/clock.h"
#include "bench/stage.h"
#include "loader/beancounters.h"
#include "loader/budgets.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/programs.h"
#include "runtime/apply.h"
#include "runtime/policy/policy.h"
#include "runtime/tree_paths.h"

namespace bulkhead::bench {
namespace {

constexpr int kBatches = 15;
constexpr long kGracePeriodMs = 24;  // six ticks

// Kernel memory is charged to a cgroup by the page, and what is left of a page is kept for the next
// object. An act that makes and frees an object is dearer by some hundred instructions when it
// happens to cross the end of a page, and then does so each time: from batch to batch the place in
// the page is moved on by one object (struct file, about a sixteenth of a page).
void move_charge_on() {
    (void)!::open("/", O_PATH | O_CLOEXEC);
}

// The cheapest batch is what the act costs when no page ends, no timer fires and no deferred work
// of the kernel comes between.
std::int64_t measure(const Operation& operation, const std::function<void()>& act) {
    std::int64_t cheapest = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i <= kBatches; ++i) {
        move_charge_on();
        if (operation.frees == Frees::kLater)
            settle(kGracePeriodMs);
        const std::int64_t begin = now();
        for (int k = 0; k < operation.batch; ++k)
            act();
        const std::int64_t cost = (now() - begin) / operation.batch;
        if (i != 0)  // the first warms up
            cheapest = std::min(cheapest, cost);
    }
    return cheapest;
}

constexpr int kParent = 3;
constexpr const char* kFlag = "--subject";

// Addresses that differ from run to run would change how the kernel's trees are cut.
[[noreturn]] void become_subject(int parent, const std::string& operation) {
    ::personality(ADDR_NO_RANDOMIZE);
    if (parent == kParent ? ::fcntl(parent, F_SETFD, 0) == 0 : ::dup2(parent, kParent) == kParent)
        ::execl(kSelf, kSelf, kFlag, operation.c_str(), nullptr);
    ::_exit(127);
}

struct Subject {
    UniqueFd pidfd;
    UniqueFd talk;
    pid_t pid = -1;
};

Result<Subject> start(const Operation& operation) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail_errno("make a socket pair");
    UniqueFd mine(ends[0]);
    const UniqueFd theirs(ends[1]);
    const UniqueFd cgroup(::open(kSubjectsCgroup, O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
    arguments.pidfd = reinterpret_cast<__u64>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<__u64>(cgroup.get());
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid < 0)
        return fail_errno("start the subject");
    if (pid == 0) {
        mine.reset();
        become_subject(theirs.get(), std::string(operation.name));
    }
    return Subject{UniqueFd(pidfd), std::move(mine), pid};
}

Status say_go(const Subject& subject) {
    if (::write(subject.talk.get(), "", 1) != 1)
        return fail_errno("write to the subject");
    return {};
}

template <typename T>
Status hear(const Subject& subject, T& value) {
    if (::read(subject.talk.get(), &value, sizeof value) != sizeof value)
        return fail(Error(EPIPE, "the subject ended too early"));
    return {};
}

Result<Attached> attach(const std::function<Result<Attached>()>& what) {
    return what ? what() : Attached();
}

Result<std::int64_t> conduct(const Subject& subject, const Around& around) {
    char ready = 0;
    std::int64_t cost = 0;
    if (around.inside != nullptr)
        BULKHEAD_TRY(around.inside->label(subject.pidfd.get()));
    {
        BULKHEAD_TRY_VALUE(attached, attach(around.while_preparing));
        BULKHEAD_TRY(say_go(subject));
        BULKHEAD_TRY(hear(subject, ready));
    }
    BULKHEAD_TRY_VALUE(attached, attach(around.while_measuring));
    settle();
    BULKHEAD_TRY(say_go(subject));
    BULKHEAD_TRY(hear(subject, cost));
    return cost;
}

__u32 inode_of(const char* path) {
    struct stat info {};
    ::stat(path, &info);
    return static_cast<__u32>(info.st_ino);
}

bh_device device_of(const char* path) {
    struct stat info {};
    ::stat(path, &info);
    return {major(info.st_dev) << 20 | minor(info.st_dev), 0};
}

bh_environment default_record() {
    bh_environment record{};
    struct stat cgroup {};
    ::stat(kSubjectsCgroup, &cgroup);
    record.control = loader::kDefaultControl;
    record.cgroup_id = cgroup.st_ino;
    record.cgroup_level = 2;
    record.mnt_ns = inode_of("/proc/self/ns/mnt");
    record.net_ns = inode_of("/proc/self/ns/net");
    for (const char* path : {"/", "/proc", "/dev"})
        record.devices[record.device_count++] = device_of(path);
    return record;
}

// Prepares on the first byte from its parent, measures on the second.
bool live(const Operation& operation) {
    char go = 0;
    if (::read(kParent, &go, 1) != 1)
        return false;
    const auto act = operation.prepare();
    if (::write(kParent, &go, 1) != 1 || ::read(kParent, &go, 1) != 1)
        return false;
    const std::int64_t cost = measure(operation, act);
    return ::write(kParent, &cost, sizeof cost) == sizeof cost;
}

}  // namespace

bool is_subject(int argc, char** argv) {
    return argc == 3 && std::strcmp(argv[1], kFlag) == 0;
}

int be_subject(const char* operation) {
    ::fcntl(kParent, F_SETFD, FD_CLOEXEC);
    const auto find = [&](std::span<const Operation> operations) {
        return std::find_if(operations.begin(), operations.end(),
                            [&](const Operation& known) { return known.name == operation; });
    };
    const auto all = all_operations();
    if (const auto known = find(all); known != std::span(all).end())
        return live(*known) ? 0 : 1;
    const auto ruled = rule_operations();
    if (const auto known = find(ruled); known != ruled.end())
        return live(*known) ? 0 : 1;
    return 2;
}

Result<Inside> Inside::publish() {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    BULKHEAD_TRY_VALUE(label, environments.reserve("bench"));
    Inside inside(std::move(environments), label);
    BULKHEAD_TRY(inside.environments_.publish(label, default_record()));
    return inside;
}

Status Inside::attach_on_demand() const {
    {
        BULKHEAD_TRY_VALUE(lock, loader::lock_pins());
        for (const std::string& program : loader::program_names())
            if (loader::is_on_demand(program))
                BULKHEAD_TRY(loader::attach_pinned(program));
    }
    for (const auto counter :
         {BH_BEANCOUNTER_NUMPROC, BH_BEANCOUNTER_NUMFILE, BH_BEANCOUNTER_NUMPTY,
          BH_BEANCOUNTER_NUMTCPSOCK, BH_BEANCOUNTER_NUMUNIXSOCK, BH_BEANCOUNTER_NUMFLOCK})
        BULKHEAD_TRY(loader::set_bounds(environments_, *label_, counter, {}));
    // More than an operation uses.
    const loader::BudgetTerms much{.amount = BH_SPENT_MOST, .period_ns = 86'400'000'000'000};
    return loader::set_budget(environments_, *label_, {}, BH_BUDGET_PROCESSES, much);
}

Status Inside::publish_rules(const std::string& text) {
    BULKHEAD_TRY_VALUE(sources, policy::resolve({"bench.toml", text}));
    BULKHEAD_TRY_VALUE(policy, policy::compile(std::move(sources)));
    loader::Rules rules = runtime::started_now(std::move(policy.rules));
    BULKHEAD_TRY(runtime::place_rules(rules, ::getpid(), policy.sources));
    return environments_.publish_rules(*label_, rules, [](__u32) { return Status(); });
}

Inside::~Inside() {
    if (label_)
        (void)environments_.withdraw(*label_);
}

std::uint64_t Inside::refusals() const {
    return environments_.state(*label_)->refusal_count;
}

Status make_subjects_cgroup() {
    if (::mkdir(kSubjectsCgroup, 0755) != 0 && errno != EEXIST)
        return fail_errno(std::string("make ") + kSubjectsCgroup);
    return {};
}

Result<std::int64_t> cost_of(const Operation& operation, const Around& around) {
    BULKHEAD_TRY_VALUE(subject, start(operation));
    auto cost = conduct(subject, around);
    subject.talk.reset();
    ::waitpid(subject.pid, nullptr, 0);
    if (!cost)
        return fail(std::move(cost).error().within("measure " + std::string(operation.name)));
    return cost;
}

}  // namespace bulkhead::bench
