#include "tests/kernel/actors.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "loader/refusals.h"
#include "runtime/cgroup.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr int kCrashed = 255;

loader::Environments open_environments() {
    auto opened = loader::Environments::open();
    if (!opened) {
        ADD_FAILURE() << opened.error().message();
        std::abort();
    }
    return std::move(*opened);
}

// In a generation of its own, which has no rows.
__u64 next(__u64 control, const loader::ControlChange& change) {
    return loader::in_generation_after(loader::changed(control, change), control);
}

// Forks a child that waits until its parent has labelled it and put it into the cgroup.
template <typename Body>
pid_t fork_inside(BareEnvironment* environment, Body body) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<__u64>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0) {
        char go = 0;
        ::close(ready[1]);
        if (::read(ready[0], &go, 1) != 1)
            ::_exit(kCrashed);
        ::_exit(body());
    }
    ::close(ready[0]);
    if (environment != nullptr) {
        std::ofstream(environment->cgroup() + "/cgroup.procs") << pid;
        const auto labelled = open_environments().label_task(pidfd, environment->label());
        EXPECT_TRUE(labelled.has_value()) << labelled.error().message();
    }
    const char go = 1;
    EXPECT_EQ(::write(ready[1], &go, 1), 1);
    ::close(ready[1]);
    ::close(pidfd);
    return pid;
}

}  // namespace

BareEnvironment::BareEnvironment(const std::string& name)
    : environments_(open_environments()),
      cgroup_(std::string(runtime::kEnvironmentsCgroup) + "/" + name) {
    const auto prepared = runtime::Cgroup::prepare_parent();
    EXPECT_TRUE(prepared.has_value()) << prepared.error().message();
    const auto label = environments_.reserve(name);
    EXPECT_TRUE(label.has_value()) << label.error().message();
    label_ = *label;
    EXPECT_EQ(::mkdir(cgroup_.c_str(), 0755), 0);
    struct stat info {};
    EXPECT_EQ(::stat(cgroup_.c_str(), &info), 0);
    bh_environment filled{};
    filled.control = loader::kDefaultControl;
    filled.cgroup_id = info.st_ino;
    filled.cgroup_level = runtime::kEnvironmentCgroupLevel;
    publish(filled);
}

BareEnvironment::~BareEnvironment() {
    EXPECT_TRUE(environments_.withdraw(label_).has_value());
    // Who was not waited for may still be on its way out.
    for (int tries = 0; tries < 1000 && ::rmdir(cgroup_.c_str()) != 0 && errno == EBUSY; ++tries)
        ::usleep(10'000);
    EXPECT_NE(::access(cgroup_.c_str(), F_OK), 0) << "something still runs in " << cgroup_;
}

const bh_state& BareEnvironment::state() {
    return *environments_.state(label_);
}

bh_environment BareEnvironment::record() {
    return *environments_.record(label_);
}

void BareEnvironment::publish(const bh_environment& record) {
    EXPECT_TRUE(environments_.publish(label_, record).has_value());
}

void BareEnvironment::allow(bh_class class_id) {
    const __u64 control = environments_.record(label_)->control;
    EXPECT_TRUE(
        environments_.set_control(label_, next(control, {.allow = 1ULL << class_id})).has_value());
}

void BareEnvironment::refuse(bh_class class_id) {
    const __u64 control = environments_.record(label_)->control;
    EXPECT_TRUE(
        environments_.set_control(label_, next(control, {.refuse = 1ULL << class_id})).has_value());
}

void BareEnvironment::set_mode(bh_mode mode) {
    const __u64 control = environments_.record(label_)->control;
    EXPECT_TRUE(environments_.set_control(label_, next(control, {.mode = mode})).has_value());
}

Status BareEnvironment::publish_rules(const loader::Rules& rules,
                                      const std::function<Status(__u32)>& before) {
    return environments_.publish_rules(label_, rules, before);
}

Status BareEnvironment::change(const loader::ControlChange& change) {
    return environments_.change(label_, change);
}

void BareEnvironment::own(const std::string& path, __u32 flags) {
    bh_environment filled = record();
    filled.devices[filled.device_count++] = {device_of(path), flags};
    publish(filled);
}

void BareEnvironment::withdraw() {
    EXPECT_TRUE(environments_.withdraw(label_).has_value());
}

bh_refusal BareEnvironment::last_refusal() {
    const auto rows = loader::read_refusals(label_, state().refusal_count);
    EXPECT_TRUE(rows.has_value());
    EXPECT_FALSE(rows->empty());
    return rows->empty() ? bh_refusal{} : rows->back();
}

bh_refusal BareEnvironment::last_refusal_by(bh_hook hook) {
    const auto rows = loader::read_refusals(label_, state().refusal_count);
    EXPECT_TRUE(rows.has_value());
    for (auto row = rows->rbegin(); row != rows->rend(); ++row)
        if (row->hook == hook)
            return *row;
    ADD_FAILURE() << "no refusal by " << loader::hook_name(hook);
    return {};
}

Actor::Actor(BareEnvironment* environment)
    : pid_(fork_inside(environment, [] {
          ::pause();
          return 0;
      })) {}

Actor::Actor(BareEnvironment* environment, const std::function<void()>& prepare) {
    int prepared[2];
    EXPECT_EQ(::pipe2(prepared, O_CLOEXEC), 0);
    pid_ = fork_inside(environment, [&] {
        prepare();
        const char done = 1;
        if (::write(prepared[1], &done, 1) == 1)
            ::pause();
        return 0;
    });
    ::close(prepared[1]);
    char done = 0;
    EXPECT_EQ(::read(prepared[0], &done, 1), 1) << "the actor ended while it prepared";
    ::close(prepared[0]);
}

Actor::~Actor() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

int Actor::run(BareEnvironment* environment, const std::function<int()>& act) {
    return Ongoing(environment, act).join();
}

Ongoing::Ongoing(BareEnvironment* environment, const std::function<int()>& act)
    : pid_(fork_inside(environment, [&] {
          ::alarm(30);
          return act();
      })) {}

Ongoing::~Ongoing() {
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

int Ongoing::join() {
    int status = 0;
    const pid_t pid = std::exchange(pid_, -1);
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) == kCrashed) {
        ADD_FAILURE() << "the act crashed or hung, status " << status;
        return -1;
    }
    return WEXITSTATUS(status);
}

void expect_refused(BareEnvironment& environment, const Expected& expected,
                    const std::function<int()>& act) {
    const char* name = loader::hook_name(expected.hook);
    EXPECT_EQ(Actor::run(nullptr, act), 0) << name << ": the control on the host failed";

    const __u64 before = environment.state().refused[expected.class_id];
    EXPECT_EQ(Actor::run(&environment, act), expected.error) << name << ": not refused";
    EXPECT_GT(environment.state().refused[expected.class_id], before) << name << ": not counted";
    const bh_refusal row = environment.last_refusal_by(expected.hook);
    EXPECT_STREQ(loader::hook_name(row.hook), name);
    EXPECT_STREQ(loader::class_name(row.class_id), loader::class_name(expected.class_id));
    EXPECT_EQ(row.error, -expected.hook_error);

    environment.set_mode(BH_MODE_AUDIT);
    const __u64 audited = environment.state().audited[expected.class_id];
    EXPECT_EQ(Actor::run(&environment, act), 0) << name << ": refused in audit mode";
    EXPECT_GT(environment.state().audited[expected.class_id], audited);
    environment.set_mode(BH_MODE_ENFORCE);

    environment.allow(expected.class_id);
    EXPECT_EQ(Actor::run(&environment, act), 0) << name << ": refused although allowed";
    environment.refuse(expected.class_id);
}

}  // namespace bulkhead::tests
