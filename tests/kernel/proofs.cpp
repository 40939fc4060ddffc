#include "tests/kernel/proofs.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "loader/programs.h"

namespace bulkhead::tests {
namespace {

// Their hooks are not on all kernels of the matrix.
constexpr std::array<std::string_view, 2> kVariants = {"bh_uring", "bh_set_acl"};

std::vector<std::pair<std::string, std::string>>& proofs() {
    static std::vector<std::pair<std::string, std::string>> rows;
    return rows;
}

}  // namespace

Proof::Proof(const char* test_case, std::initializer_list<const char*> programs) {
    for (const char* program : programs)
        proofs().emplace_back(program, test_case);
}

std::vector<std::string> cases_for(const std::string& program) {
    std::vector<std::string> cases;
    for (const auto& [proved, test_case] : proofs())
        if (proved == program)
            cases.push_back(test_case);
    return cases;
}

std::vector<std::string> proved_programs() {
    std::vector<std::string> programs;
    for (const std::string& name : loader::program_names())
        if (!cases_for(name).empty() &&
            std::find(kVariants.begin(), kVariants.end(), name) == kVariants.end())
            programs.push_back(name);
    return programs;
}

}  // namespace bulkhead::tests
