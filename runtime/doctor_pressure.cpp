// Pressure stall information, which `usage` and the exporter show; and what budgets of CPU time
// need.
#include <cerrno>
#include <fstream>

#include "loader/budgets.h"
#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {
namespace {

// With psi=0 the files are there, but reading them fails with EOPNOTSUPP.
Status try_pressure(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line) || !line.starts_with("some "))
        return fail_errno("read " + path);
    return {};
}

}  // namespace

Checks check_pressure() {
    Checks checks;
    for (const char* resource : {"cpu", "memory", "io"}) {
        const std::string path = std::string("/proc/pressure/") + resource;
        checks.push_back(
            conclude("meters",
                     {std::string("pressure-") + resource, Need::kOptional, path + " was read",
                      "boot with psi=1 on a kernel with CONFIG_PSI"},
                     try_pressure(path)));
    }
    const auto offsets = loader::find_cpu_offsets();
    checks.push_back(conclude(
        "meters",
        {"cpu-budgets", Need::kOptional, "each CPU's part of a cgroup's CPU time was found", {}},
        offsets ? Status{} : fail(Error(offsets.error()))));
    return checks;
}

}  // namespace bulkhead::runtime
