// bulkhead agent: becomes bulkhead-agent, which lies beside this program in the build folder and
// in libexec when installed.
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "cli/commands.h"

namespace bulkhead::cli {
namespace {

namespace fs = std::filesystem;

fs::path agent_program() {
    std::error_code error;
    const fs::path own = fs::read_symlink("/proc/self/exe", error).parent_path();
    const fs::path beside = own / "bulkhead-agent";
    return fs::exists(beside, error) ? beside : own / BULKHEAD_AGENT_FROM_BINDIR;
}

Action declare(CLI::App& app) {
    auto address = std::make_shared<std::string>("127.0.0.1:9750");
    app.add_option("--listen", *address, "ADDRESS:PORT of the endpoint")->capture_default_str();
    return [address](const Payload&) -> Result<int> {
        const fs::path program = agent_program();
        ::execl(program.c_str(), program.c_str(), "--listen", address->c_str(), nullptr);
        return fail_errno("execute " + program.string());
    };
}

}  // namespace

const Command kAgent = {"agent", "serve usage to Prometheus", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
