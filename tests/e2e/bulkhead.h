// Driving the installed program as its users do: a command line, what it prints, how it ends, and
// what it leaves on the machine.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace bulkhead::tests {

using Arguments = std::vector<std::string>;
Arguments joined(Arguments first, const Arguments& second);

struct Outcome {
    int exit_code = -1;  // 128 + N when signal N ended it
    std::string out;
    std::string err;
};

// How the program is started. Its standard input is /dev/null.
struct Setting {
    // Runs in the child before the program: another mount namespace, another user. What it
    // changes must end with the process.
    std::function<void()> prepare;
    int timeout_s = 400;  // doctor loads each program: two minutes on 6.1 under emulation
};

// The installed program, below $BULKHEAD_STAGE.
std::string program_path();

// `bulkhead ARGUMENTS`. One that does not end in time is killed and is a test failure.
Outcome bulkhead(const Arguments& arguments, const Setting& setting = {});

// The same with --json; fails the test when it does not end with 0 or prints no JSON.
nlohmann::json bulkhead_json(const Arguments& arguments);

// The row NAME of what doctor said, of a machine that it says can enforce.
nlohmann::json doctor_row(const nlohmann::json& document, const std::string& name);

// `bulkhead run OPTIONS -- COMMAND` over the suite's template (see template_options()).
Outcome run(Arguments options, const Arguments& command, const Setting& setting = {});

// Options that name the root to use here: the image of $BULKHEAD_TEMPLATE, as the guest's own
// root lies on 9p, which cannot be idmapped; none where it is not set.
Arguments template_options();

// A `bulkhead` that is left running. Killed and reaped with the object.
class Running {
public:
    explicit Running(const Arguments& arguments);
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running();

    [[nodiscard]] pid_t pid() const { return pid_; }
    // SIGKILL to the program itself, and nothing else.
    void kill();

private:
    pid_t pid_;
};

// An environment left running by `run --detach`. Destroyed with the object, unless
// the test did so.
class Detached {
public:
    Detached(const std::string& name, const Arguments& command, Arguments options = {});
    Detached(const Detached&) = delete;
    Detached& operator=(const Detached&) = delete;
    ~Detached();

private:
    std::string name_;
};

// Waits until `holds` says true; false after `seconds`.
bool eventually(const std::function<bool()>& holds, int seconds = 10);

// Below `count`, for what is shared out among the kernels: 6.1, 6.12 and 7.2 have 3, 2 and 1 of 4.
int number_of_kernel(int count);

// What an environment could leave behind, as names. Two equal censuses: nothing was left.
class Census {
public:
    static Census take();

    // Empty when `later` has the same; else one line for each difference.
    [[nodiscard]] std::string difference(const Census& later) const;

private:
    std::set<std::string> things_;
};

// Takes a census now; when it goes out of scope, everything must be as it was. The kernel takes
// namespaces and cgroups apart behind the caller's back, so that may be a moment later.
class NothingLeft {
public:
    NothingLeft() : before_(Census::take()) {}
    NothingLeft(const NothingLeft&) = delete;
    NothingLeft& operator=(const NothingLeft&) = delete;
    ~NothingLeft();

private:
    Census before_;
};

}  // namespace bulkhead::tests
