// Acts that are execs of their own, and what their cases ask of processes.
#pragma once

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "loader/environments.h"
#include "loader/execs.h"
#include "loader/unique_fd.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

class Pipe {
public:
    Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    void wait() const {
        char byte = 0;
        (void)!::read(ends_[0], &byte, 1);
    }
    void go() const { EXPECT_EQ(::write(ends_[1], "", 1), 1); }

private:
    int ends_[2]{};
};

// The first number of /proc/PID/schedstat: what the task has had of a CPU.
inline std::uint64_t on_cpu_ns(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
    std::uint64_t running = 0;
    EXPECT_TRUE(file >> running);
    return running;
}

inline bool is_asleep(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("State:"))
            return line[line.find_first_not_of("\t ", 6)] == 'S';
    return false;
}

// An act that is an exec of its own. Begins with the object; ended when it is waited for.
class Exec {
public:
    Exec(BareEnvironment& environment, const std::function<int()>& act)
        : act_(&environment, [this, act] {
              go_.wait();
              return act();
          }) {
        for (int tries = 0; tries < 20'000 && !is_asleep(act_.pid()); ++tries)
            ::usleep(1000);
        had_ns_ = on_cpu_ns(act_.pid());
        const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, act_.pid(), 0)));
        auto execs = loader::Execs::open();
        if (!execs) {
            ADD_FAILURE() << execs.error().message();
            return;
        }
        execs_.emplace(std::move(*execs));
        bh_exec first{};
        first.label = environment.label();
        const auto number = execs_->begin(pidfd.get(), first);
        EXPECT_TRUE(number) << number.error().message();
        number_ = number.value_or(0);
        const auto environments = loader::Environments::open();
        EXPECT_TRUE(environments->label_task(pidfd.get(), environment.label(),
                                             loader::Environments::TaskOf::kExec));
    }
    Exec(const Exec&) = delete;
    Exec& operator=(const Exec&) = delete;
    ~Exec() {
        const bh_label label = row().label;
        EXPECT_TRUE(execs_->forget(number_));
        EXPECT_TRUE(execs_->settle_packets(label));
    }

    void go() const { go_.go(); }
    int join() { return act_.join(); }
    [[nodiscard]] pid_t pid() const { return act_.pid(); }
    // What its first task had of a CPU before it was one.
    [[nodiscard]] std::uint64_t had_ns() const { return had_ns_; }

    [[nodiscard]] bh_exec row() const {
        const auto found = execs_->find(number_);
        EXPECT_TRUE(found && *found);
        return found && *found ? **found : bh_exec{};
    }

    // With what runs counted until now.
    [[nodiscard]] bh_exec settled() const {
        const auto settled = execs_->settle();
        EXPECT_TRUE(settled) << settled.error().message();
        return row();
    }

    // Once its last task is gone, also from its CPU.
    [[nodiscard]] bh_exec ended() const {
        for (int tries = 0; tries < 10'000 && row().ended_ns == 0; ++tries)
            ::usleep(1000);
        EXPECT_NE(row().ended_ns, 0U) << "it did not end";
        return row();
    }

    int run() {
        go();
        return join();
    }

private:
    Pipe go_;
    Ongoing act_;
    std::uint64_t had_ns_ = 0;
    std::optional<loader::Execs> execs_;
    std::uint64_t number_ = 0;
};

inline int wait_for(pid_t child) {
    int status = 0;
    return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace bulkhead::tests
