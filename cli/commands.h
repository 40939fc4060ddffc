// The commands, a file each.
#pragma once

#include "cli/command.h"

namespace bulkhead::cli {

extern const Command kAdopt;
extern const Command kAgent;
extern const Command kBeancounters;
extern const Command kBill;
extern const Command kBudget;
extern const Command kReceipts;
extern const Command kRelease;
extern const Command kRun;
extern const Command kExec;
extern const Command kList;
extern const Command kStatus;
extern const Command kStop;
extern const Command kDestroy;
extern const Command kEvents;
extern const Command kSet;
extern const Command kPolicy;
extern const Command kWhy;
extern const Command kDoctor;
extern const Command kLoad;
extern const Command kTop;
extern const Command kUnload;
extern const Command kUsage;

}  // namespace bulkhead::cli
