#include "bench/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "bench/clock.h"

extern char** environ;

namespace bulkhead::bench {
namespace {

Status check_exit(const Command& command, int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
    std::string line;
    for (const std::string& word : command)
        line += word + ' ';
    return fail(Error(0, line + "ended with wait status " + std::to_string(status)));
}

}  // namespace

Result<std::int64_t> time_of(const Command& command) {
    std::vector<char*> words;
    words.reserve(command.size() + 1);
    for (const std::string& word : command)
        words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);

    pid_t pid = -1;
    int status = 0;
    const std::int64_t begin = now();
    if (const int error = ::posix_spawn(&pid, words[0], nullptr, nullptr, words.data(), environ);
        error != 0)
        return fail(Error(error, "spawn " + command[0]));
    if (::waitpid(pid, &status, 0) != pid)
        return fail_errno("wait for " + command[0]);
    const std::int64_t end = now();
    BULKHEAD_TRY(check_exit(command, status));
    return end - begin;
}

Status run(const Command& command) {
    BULKHEAD_TRY(time_of(command));
    return {};
}

Result<std::string> output_of(const std::string& shell_command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(shell_command.c_str(), "re"),
                                                     ::pclose);
    if (!pipe)
        return fail_errno("run " + shell_command);
    std::string output;
    std::array<char, 4096> chunk{};
    while (const std::size_t bytes = std::fread(chunk.data(), 1, chunk.size(), pipe.get()))
        output.append(chunk.data(), bytes);
    return output;
}

}  // namespace bulkhead::bench
