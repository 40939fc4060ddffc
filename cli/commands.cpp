#include "cli/commands.h"

#include <array>

namespace bulkhead::cli {

std::span<const Command> commands() {
    static const std::array kCommands = {
        kRun, kExec,     kList,  kStatus,       kStop,   kDestroy, kSet,    kPolicy,
        kWhy, kEvents,   kAdopt, kRelease,      kDoctor, kLoad,    kUnload, kUsage,
        kTop, kReceipts, kBill,  kBeancounters, kBudget, kAgent,
    };
    return kCommands;
}

}  // namespace bulkhead::cli
