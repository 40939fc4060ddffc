// bulkhead agent: becomes bulkhead-agent.
#include <unistd.h>

#include <memory>

#include "cli/commands.h"
#include "cli/helper_program.h"

namespace bulkhead::cli {
namespace {

Action declare(CLI::App& app) {
    auto address = std::make_shared<std::string>("127.0.0.1:9750");
    app.add_option("--listen", *address, "ADDRESS:PORT of the endpoint")->capture_default_str();
    return [address](const Payload&) -> Result<int> {
        const std::string program = helper_program("bulkhead-agent");
        ::execl(program.c_str(), program.c_str(), "--listen", address->c_str(), nullptr);
        return fail_errno("execute " + program);
    };
}

}  // namespace

const Command kAgent = {"agent", "serve usage to Prometheus", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
