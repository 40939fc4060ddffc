#include "runtime/ledger/life.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "loader/unique_fd.h"

namespace bulkhead::ledger {

Result<std::string> boot_id() {
    constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
    constexpr std::size_t kLength = 36;
    const UniqueFd file(::open(kPath, O_RDONLY | O_CLOEXEC));
    std::array<char, kLength> text{};
    if (!file || ::read(file.get(), text.data(), text.size()) != ssize_t{kLength})
        return fail_errno(std::string("read ") + kPath);
    return std::string(text.data(), text.size());
}

std::string directory() {
    const char* chosen = std::getenv("BULKHEAD_LEDGER");
    return chosen != nullptr && *chosen != '\0' ? chosen : "/var/lib/bulkhead/.ledger";
}

}  // namespace bulkhead::ledger
