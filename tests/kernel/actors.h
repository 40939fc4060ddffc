// Labelled processes that act on request, and the checks that every refusal needs: the errno,
// the counter, the row that `why` reads, and that the same act succeeds with the class allowed.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/rules.h"
#include "loader/unique_fd.h"

namespace bulkhead::tests {

// An environment that is only a record and a cgroup: no namespaces. Destroyed with the object.
class BareEnvironment {
public:
    explicit BareEnvironment(const std::string& name);
    BareEnvironment(const BareEnvironment&) = delete;
    BareEnvironment& operator=(const BareEnvironment&) = delete;
    ~BareEnvironment();

    [[nodiscard]] bh_label label() const { return label_; }
    [[nodiscard]] const std::string& cgroup() const { return cgroup_; }
    [[nodiscard]] const bh_state& state();
    [[nodiscard]] bh_environment record();
    void publish(const bh_environment& record);
    void allow(bh_class class_id);
    void refuse(bh_class class_id);
    void set_mode(bh_mode mode);
    // As commands do it: by rows, one store, and the last rows taken away.
    Status publish_rules(
        const loader::Rules& rules,
        const std::function<Status(__u32)>& before = [](__u32) { return Status{}; });
    Status change(const loader::ControlChange& change);
    // Adds the super block of `path` to the list; `flags`: bh_device_flags.
    void own(const std::string& path, __u32 flags = 0);
    // Takes the record away; tasks still get the label.
    void withdraw();
    // The newest recorded refusal; fails the test when there is none.
    bh_refusal last_refusal();
    // Likewise, of this hook: others may be asked after it.
    bh_refusal last_refusal_by(bh_hook hook);

private:
    loader::Environments environments_;
    bh_label label_{};
    std::string cgroup_;
};

// A forked child in `environment` (nullptr: the host) that runs acts and reports errno.
class Actor {
public:
    explicit Actor(BareEnvironment* environment);
    // Runs `prepare` in the child and returns when it has: what the child then holds stays, and
    // it does nothing more.
    Actor(BareEnvironment* environment, const std::function<void()>& prepare);
    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    ~Actor();

    [[nodiscard]] pid_t pid() const { return pid_; }

    // Runs `act` in a fresh child of the actor's environment and returns what it returns:
    // 0 or an errno. A crash or a hang is a test failure and returns -1.
    static int run(BareEnvironment* environment, const std::function<int()>& act);

private:
    pid_t pid_ = -1;
};

// An act that goes on beside the test, in a fresh child of the environment.
class Ongoing {
public:
    Ongoing(BareEnvironment* environment, const std::function<int()>& act);
    Ongoing(const Ongoing&) = delete;
    Ongoing& operator=(const Ongoing&) = delete;
    Ongoing(Ongoing&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    // Kills it where nobody waited for its end.
    ~Ongoing();

    [[nodiscard]] pid_t pid() const { return pid_; }

    // As Actor::run().
    int join();

private:
    pid_t pid_;
};

// What a refusal must look like.
struct Expected {
    bh_hook hook;
    bh_class class_id;
    int error;               // as the process sees it
    int hook_error = EPERM;  // as the hook returned it, which the kernel may replace
};

// The whole proof for one act: refused in `environment` with the errno, the counter and the
// attribution; recorded but done in audit mode; done with the class allowed; done on the host.
// `act` returns 0 or an errno and undoes its own effect.
void expect_refused(BareEnvironment& environment, const Expected& expected,
                    const std::function<int()>& act);

}  // namespace bulkhead::tests
