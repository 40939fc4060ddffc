#include "cli/process_options.h"

#include <fcntl.h>

#include <cstdio>
#include <cstdlib>

namespace bulkhead::cli {

void ProcessOptions::declare(OptionSet& set) {
    set.value("-e,--env", env, "NAME=VALUE, or NAME to pass the caller's on; repeatable");
    set.value("-w,--workdir", workdir, "working directory inside");
    set.value("-u,--user", user, "NAME|UID[:GROUP|GID] inside");
    set.flag("-t,--tty", terminal, "give it a terminal of its own");
    set.flag("-i,--interactive", interactive, "keep standard input open");
}

runtime::ProcessSpec ProcessOptions::to_spec(std::vector<std::string> argv) const {
    runtime::ProcessSpec process;
    process.argv = std::move(argv);
    for (const std::string& variable : env) {
        const char* value = std::getenv(variable.c_str());
        if (variable.find('=') != std::string::npos)
            process.env.push_back(variable);
        else if (value != nullptr)
            process.env.push_back(variable + "=" + value);
    }
    process.workdir = workdir;
    process.user = user;
    process.terminal = terminal ? runtime::TerminalKind::kTerminal : runtime::TerminalKind::kNone;
    return process;
}

Result<PreparedStdio> PreparedStdio::prepare(const ProcessOptions& options,
                                             runtime::OutputKind output) {
    PreparedStdio prepared;
    prepared.stdio_.output_kind = output;
    if (options.interactive || options.terminal)
        return prepared;
    prepared.null_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!prepared.null_)
        return fail_errno("open /dev/null");
    prepared.stdio_.input = prepared.null_.get();
    return prepared;
}

int report_failure(const char* command, const runtime::StartFailure& failure) {
    std::fprintf(stderr, "bulkhead %s: %s\n", command, failure.error.message().c_str());
    return failure.exit_code;
}

}  // namespace bulkhead::cli
