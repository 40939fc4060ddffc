#include "cli/helper_program.h"

#include <filesystem>

namespace bulkhead::cli {

std::string helper_program(const std::string& name) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::path own = fs::read_symlink("/proc/self/exe", error).parent_path();
    const fs::path beside = own / name;
    return fs::exists(beside, error) ? beside : own / BULKHEAD_HELPERS_FROM_BINDIR / name;
}

}  // namespace bulkhead::cli
