// Options that `run` and `exec` share: how a process is started and minded.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/child.h"
#include "runtime/spec.h"
#include "runtime/start.h"

namespace bulkhead::cli {

struct ProcessOptions {
    std::vector<std::string> env;
    std::string workdir;
    std::string user;
    bool terminal = false;
    bool interactive = false;

    void declare(OptionSet& set);
    // NAME alone takes the caller's value.
    [[nodiscard]] runtime::ProcessSpec to_spec(std::vector<std::string> argv) const;
};

// Standard descriptors: without -i and -t, standard input is /dev/null.
class PreparedStdio {
public:
    static Result<PreparedStdio> prepare(const ProcessOptions& options, runtime::OutputKind output);

    [[nodiscard]] const runtime::Stdio& stdio() const { return stdio_; }

private:
    UniqueFd null_;
    runtime::Stdio stdio_;
};

// Prints the failure as main would, and returns its exit code.
int report_failure(const char* command, const runtime::StartFailure& failure);

}  // namespace bulkhead::cli
