#include "tests/e2e/governed.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

#include "loader/environments.h"
#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

std::string cgroup_file(const std::string& path) {
    std::ifstream stream("/sys/fs/cgroup/bulkhead/" + path);
    std::string text(std::istreambuf_iterator<char>(stream), {});
    while (text.ends_with('\n'))
        text.pop_back();
    return text;
}

std::vector<nlohmann::json> events(const std::string& name, const std::string& event) {
    std::istringstream lines(bulkhead({"events", name, "--json"}).out);
    std::vector<nlohmann::json> found;
    for (std::string line; std::getline(lines, line);)
        if (auto one = nlohmann::json::parse(line, nullptr, false);
            one.is_object() && one.value("event", "") == event)
            found.push_back(std::move(one));
    return found;
}

Result<loader::GovernedRow> governed_row(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    const auto label = environments.find(name);
    if (!label)
        return fail(Error(ENOENT, "no environment is named " + name));
    return loader::GovernedRow::open(*label);
}

}  // namespace bulkhead::tests
