// bulkhead budget: what environments used of their budgets in the period that is.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/budgets.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    bool json = false;
};

Result<std::vector<runtime::NamedBudgets>> read(const std::string& name) {
    if (name.empty())
        return runtime::read_all_budgets();
    BULKHEAD_TRY_VALUE(budgets, runtime::read_budgets(name));
    return std::vector<runtime::NamedBudgets>{{name, std::move(budgets)}};
}

Result<int> print(const Options& options) {
    BULKHEAD_TRY_VALUE(all, read(options.name));
    if (!options.json) {
        std::fputs(runtime::to_text(all).c_str(), stdout);
        return 0;
    }
    Json array = Json::array();
    for (const runtime::NamedBudgets& one : all)
        array.push_back(runtime::to_json(one));
    std::puts((options.name.empty() ? array : array[0]).indented().c_str());
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "the environment; all that have budgets by default");
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) { return print(*options); };
}

}  // namespace

const Command kBudget = {"budget", "show what environments used of their budgets", ExitCodes::kOwn,
                         declare};

}  // namespace bulkhead::cli
