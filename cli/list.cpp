// bulkhead list: all environments, a line each.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "cli/status_json.h"
#include "runtime/format.h"

namespace bulkhead::cli {
namespace {

std::string command_of(const runtime::EnvironmentStatus& status) {
    return status.state ? joined(status.state->spec.process.argv, " ") : "-";
}

std::string pid_of(const runtime::EnvironmentStatus& status) {
    const bool running = status.state && status.phase == runtime::Phase::kRunning;
    return running ? std::to_string(status.state->pid) : "-";
}

void print_table(const std::vector<runtime::EnvironmentStatus>& all) {
    print_formatted("{:<20} {:<9} {:>8} {:>8}  {}\n", "NAME", "PHASE", "PID", "REFUSED", "COMMAND");
    for (const auto& status : all)
        print_formatted("{:<20} {:<9} {:>8} {:>8}  {}\n", status.name,
                        runtime::phase_name(status.phase), pid_of(status), status.refused,
                        command_of(status));
}

Action declare(OptionSet& set) {
    auto json = std::make_shared<bool>(false);
    set.flag("--json", *json, "print JSON");
    return [json](const Payload&) -> Result<int> {
        BULKHEAD_TRY_VALUE(all, runtime::list_environments());
        if (!*json) {
            print_table(all);
            return 0;
        }
        Json array = Json::array();
        for (const auto& status : all)
            array.push_back(status_to_json(status));
        std::puts(array.indented().c_str());
        return 0;
    };
}

}  // namespace

const Command kList = {"list", "show all environments", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
