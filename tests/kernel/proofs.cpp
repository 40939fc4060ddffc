#include "tests/kernel/proofs.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "loader/guard.h"
#include "loader/programs.h"

namespace bulkhead::tests {
namespace {

struct Variant {
    std::string_view program;
    std::string_view kernel;  // of the matrix, that has its hook
};
// Programs whose hook kProvingKernel does not have.
constexpr std::array kVariants = {Variant{"bh_uring", "7.2"}, Variant{"bh_bc_file_mod", "7.2"}};

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

std::vector<std::string> programs_to_leave_out(const std::string& kernel) {
    std::vector<std::string> programs;
    std::vector<std::string> all = loader::program_names();
    for (std::string& name : loader::guard_program_names())
        all.push_back(std::move(name));
    for (const std::string& name : all) {
        const auto* variant =
            std::find_if(kVariants.begin(), kVariants.end(),
                         [&](const Variant& candidate) { return candidate.program == name; });
        if (kernel == (variant == kVariants.end() ? kProvingKernel : variant->kernel))
            programs.push_back(name);
    }
    return programs;
}

}  // namespace bulkhead::tests
