// Exhaustion: one environment uses up what all share. The cgroup and the kernel's own limits are
// the lock here; the fence has no say.
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "exhaustion";

// Forks children that wait, up to `wanted`; how many there were. All are gone afterwards.
int fork_many(int wanted) {
    std::vector<pid_t> children;
    while (static_cast<int>(children.size()) < wanted) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::pause();
            ::_exit(0);
        }
        if (child < 0)
            break;
        children.push_back(child);
    }
    for (const pid_t child : children)
        ::kill(child, SIGKILL);
    for (const pid_t child : children)
        ::waitpid(child, nullptr, 0);
    return static_cast<int>(children.size());
}

ESCAPE(ForkBomb, kGroup, "fork bomb", "cgroup: pids.max (--pids)") {
    constexpr int kLimit = 8;
    constexpr int kWanted = 24;
    BareEnvironment mine("mine");
    EXPECT_EQ(Actor::run(&mine, [] { return fork_many(kWanted); }), kWanted) << "the control";
    std::ofstream(mine.cgroup() + "/pids.max") << kLimit;
    EXPECT_EQ(Actor::run(&mine, [] { return fork_many(kWanted); }), kLimit - 1);
    EXPECT_EQ(mine.state().refusal_count, 0U);
}

ESCAPE(Descriptors, kGroup, "file descriptors", "RLIMIT_NOFILE, which only the host raises",
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       rlimit files{};
                                       ::getrlimit(RLIMIT_NOFILE, &files);
                                       files = {files.rlim_max + 1, files.rlim_max + 1};
                                       return outcome(::setrlimit(RLIMIT_NOFILE, &files));
                                   },
                               .object = "capability 24"});
}

// The rows of refusals are a ring for each environment.
ESCAPE(RefusalFlood, kGroup, "a flood of refusals, to lose those of another environment",
       "each environment has its own ring of rows") {
    BareEnvironment mine("mine");
    BareEnvironment loud("loud");
    const auto break_a_rule = [] { return outcome(::kill(1, 0)); };
    ASSERT_EQ(Actor::run(&mine, break_a_rule), EPERM);
    const bh_refusal kept = mine.last_refusal();
    constexpr __u64 kFlood = 5'000;
    EXPECT_EQ(Actor::run(&loud,
                         [&] {
                             for (__u64 i = 0; i < kFlood; ++i)
                                 break_a_rule();
                             return 0;
                         }),
              0);
    EXPECT_EQ(loud.state().refused[BH_CLASS_SIGNAL], kFlood) << "the control: a flood";
    EXPECT_EQ(mine.state().refusal_count, 1U);
    EXPECT_EQ(mine.last_refusal().time_ns, kept.time_ns);
    EXPECT_EQ(mine.last_refusal().pid, kept.pid);
}

}  // namespace
}  // namespace bulkhead::tests
