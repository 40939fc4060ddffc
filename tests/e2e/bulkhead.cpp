#include "tests/e2e/bulkhead.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "loader/unique_fd.h"

namespace bulkhead::tests {
namespace {

using Clock = std::chrono::steady_clock;

// Opened before `prepare`, which may hide the path or drop the right to it.
UniqueFd open_program() {
    UniqueFd program(::open(program_path().c_str(), O_PATH | O_CLOEXEC));
    if (!program) {
        std::fprintf(stderr, "there is no program %s: cmake --install to $BULKHEAD_STAGE\n",
                     program_path().c_str());
        std::abort();
    }
    return program;
}

[[noreturn]] void execute(int program, const Arguments& arguments) {
    std::vector<char*> argv = {const_cast<char*>("bulkhead")};
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(null, STDIN_FILENO);
    ::fexecve(program, argv.data(), environ);
    ::_exit(99);
}

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        std::abort();
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

int exit_code(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Both streams until their ends; false when `deadline` passes first.
bool collect(Pipe& out, Pipe& err, Outcome& outcome, Clock::time_point deadline) {
    std::array<pollfd, 2> streams = {pollfd{out.read.get(), POLLIN, 0},
                                     pollfd{err.read.get(), POLLIN, 0}};
    std::array<std::string*, 2> texts = {&outcome.out, &outcome.err};
    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0)
            return false;
        ::poll(streams.data(), streams.size(), static_cast<int>(left.count()));
        for (std::size_t i = 0; i < streams.size(); ++i) {
            if (streams[i].fd < 0 || streams[i].revents == 0)
                continue;
            char buffer[4096];
            const ssize_t got = ::read(streams[i].fd, buffer, sizeof buffer);
            if (got <= 0)
                streams[i].fd = -1;
            else
                texts[i]->append(buffer, static_cast<std::size_t>(got));
        }
    }
    return true;
}

}  // namespace

std::string program_path() {
    const char* stage = std::getenv("BULKHEAD_STAGE");
    return std::string(stage != nullptr ? stage : "/usr/local") + "/bin/bulkhead";
}

Outcome bulkhead(const Arguments& arguments, const Setting& setting) {
    const UniqueFd program = open_program();
    Pipe out = make_pipe();
    Pipe err = make_pipe();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(out.write.get(), STDOUT_FILENO);
        ::dup2(err.write.get(), STDERR_FILENO);
        if (setting.prepare)
            setting.prepare();
        execute(program.get(), arguments);
    }
    out.write.reset();
    err.write.reset();
    Outcome outcome;
    if (!collect(out, err, outcome, Clock::now() + std::chrono::seconds(setting.timeout_s))) {
        ADD_FAILURE() << "bulkhead " << testing::PrintToString(arguments) << " did not end in "
                      << setting.timeout_s << " s; so far: " << outcome.out << outcome.err;
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    outcome.exit_code = exit_code(status);
    return outcome;
}

nlohmann::json bulkhead_json(const Arguments& arguments) {
    Arguments all = arguments;
    all.emplace_back("--json");
    const Outcome outcome = bulkhead(all);
    EXPECT_EQ(outcome.exit_code, 0) << testing::PrintToString(all) << ": " << outcome.err;
    nlohmann::json document = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_FALSE(document.is_discarded()) << testing::PrintToString(all) << ": " << outcome.out;
    return document;
}

nlohmann::json doctor_row(const nlohmann::json& document, const std::string& name) {
    EXPECT_TRUE(document.at("can_enforce").get<bool>());
    for (const nlohmann::json& check : document.at("checks")) {
        if (check.at("name") == name)
            return check;
    }
    ADD_FAILURE() << "doctor has no row " << name;
    return {};
}

Arguments template_options() {
    const char* image = std::getenv("BULKHEAD_TEMPLATE");
    return image != nullptr ? Arguments{"--template", image} : Arguments{};
}

Outcome run(Arguments options, const Arguments& command, const Setting& setting) {
    Arguments arguments = template_options();
    arguments.insert(arguments.begin(), "run");
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), command.begin(), command.end());
    return bulkhead(arguments, setting);
}

Running::Running(const Arguments& arguments) {
    const UniqueFd program = open_program();
    pid_ = ::fork();
    if (pid_ == 0)
        execute(program.get(), arguments);
}

Running::~Running() {
    kill();
}

void Running::kill() {
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

Detached::Detached(const std::string& name, const Arguments& command, Arguments options)
    : name_(name) {
    options.insert(options.end(), {"--detach", "--name", name});
    const Outcome started = run(options, command);
    EXPECT_EQ(started.exit_code, 0) << started.err;
}

Detached::~Detached() {
    const Outcome destroyed = bulkhead({"destroy", "--force", name_});
    const bool was_gone = destroyed.err.find("no environment is named") != std::string::npos;
    EXPECT_TRUE(destroyed.exit_code == 0 || was_gone) << destroyed.err;
}

Arguments joined(Arguments first, const Arguments& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

bool eventually(const std::function<bool()>& holds, int seconds) {
    const auto deadline = Clock::now() + std::chrono::seconds(seconds);
    for (auto asked = Clock::now(); !holds(); asked = Clock::now()) {
        const auto now = Clock::now();
        if (now > deadline)
            return false;
        // Who asks all the time slows down what it waits for.
        std::this_thread::sleep_for(std::clamp<Clock::duration>(
            2 * (now - asked), std::chrono::milliseconds(50), std::chrono::seconds(1)));
    }
    return true;
}

int number_of_kernel(int count) {
    utsname name{};
    ::uname(&name);
    int major = 0, minor = 0;
    std::sscanf(name.release, "%d.%d", &major, &minor);
    return (major + minor) % count;
}

}  // namespace bulkhead::tests
