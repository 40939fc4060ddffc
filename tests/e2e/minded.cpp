#include "tests/e2e/minded.h"

namespace bulkhead::tests {

Arguments run_arguments(const std::string& name, const Arguments& command) {
    Arguments arguments = {"run", "--name", name};
    const Arguments root = template_options();
    arguments.insert(arguments.end(), root.begin(), root.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), command.begin(), command.end());
    return arguments;
}

bool runs(const std::string& name) {
    const Outcome status = bulkhead({"status", name, "--json"});
    return status.exit_code == 0 && status.out.find("running") != std::string::npos;
}

}  // namespace bulkhead::tests
