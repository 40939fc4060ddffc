// bulkhead exec: a further process in an environment that runs.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "cli/process_options.h"
#include "runtime/execs.h"
#include "runtime/join.h"
#include "runtime/json.h"
#include "runtime/receipt.h"
#include "runtime/supervise.h"

namespace bulkhead::cli {
namespace {

struct Options {
    ProcessOptions process;
    std::string name;
    std::string receipt;
    bool json = false;
};

// Output that is kept for the JSON, in memory.
class Captured {
public:
    static Result<Captured> make(const char* name) {
        Captured captured;
        captured.fd_.reset(::memfd_create(name, MFD_CLOEXEC));
        if (!captured.fd_)
            return fail_errno(std::string("keep the command's ") + name);
        return captured;
    }

    [[nodiscard]] int fd() const { return fd_.get(); }

    [[nodiscard]] std::string text() const {
        std::string text;
        char buffer[8192];
        ssize_t got = 0;
        while ((got = ::pread(fd_.get(), buffer, sizeof buffer, static_cast<off_t>(text.size()))) >
               0)
            text.append(buffer, static_cast<std::size_t>(got));
        return text;
    }

private:
    UniqueFd fd_;
};

Result<int> join_and_mind(const Options& options, const Payload& payload,
                          const runtime::Stdio& stdio) {
    const runtime::BlockedSignals signals;
    const std::string receipt =
        options.receipt.empty() ? "" : std::filesystem::absolute(options.receipt).string();
    BULKHEAD_TRY(runtime::check_receipt_path(receipt));
    const auto joined =
        runtime::join(options.name, options.process.to_spec(payload), stdio, receipt);
    if (!joined)
        return report_failure("exec", joined.error());
    BULKHEAD_TRY_VALUE(code,
                       runtime::supervise(joined->pidfd.get(), joined->terminal.get(), signals));
    BULKHEAD_TRY(runtime::finish_exec(joined->exec));
    return code;
}

Result<int> exec_captured(const Options& options, const Payload& payload, runtime::Stdio stdio) {
    BULKHEAD_TRY_VALUE(output, Captured::make("output"));
    BULKHEAD_TRY_VALUE(error, Captured::make("error"));
    stdio.output = output.fd();
    stdio.error = error.fd();
    BULKHEAD_TRY_VALUE(code, join_and_mind(options, payload, stdio));
    const Json json{{"name", options.name},
                    {"command", payload},
                    {"exit_code", code},
                    {"stdout", output.text()},
                    {"stderr", error.text()}};
    // What is no UTF-8 is shown as the replacement character.
    std::puts(json.indented().c_str());
    return code;
}

Result<int> exec(const Options& options, const Payload& payload) {
    if (payload.empty())
        return fail_usage("no command was given: it stands after --");
    auto stdio = PreparedStdio::prepare(options.process, runtime::OutputKind::kInherited);
    if (!stdio)
        return fail(std::move(stdio).error());
    return options.json ? exec_captured(options, payload, stdio->stdio())
                        : join_and_mind(options, payload, stdio->stdio());
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment").required();
    options->process.declare(set);
    set.value("--receipt", options->receipt,
              "write what it used to this file as JSON, once its last process is gone");
    set.flag("--json", options->json, "print exit code and output as JSON")
        .excludes(set.find("--tty"));
    set.footer(
        "The command and its arguments stand after --:\n  bulkhead exec [options] NAME -- "
        "COMMAND…");
    return [options](const Payload& payload) { return exec(*options, payload); };
}

}  // namespace

const Command kExec = {"exec", "run a command in an environment that runs", ExitCodes::kPayload,
                       declare};

}  // namespace bulkhead::cli
