// Trying the kernel programs without installing them: what doctor knows about the fence and the
// meters comes from here.
#pragma once

#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::loader {

// Reads the kernel's own BTF, which carries our programs to this kernel.
Status probe_btf();

enum class ProbeStage {
    kReplaced,  // left out: this kernel does not have its hook, another program covers it
    kLoad,
    kAttach,
    kDone,  // loaded and attached
};

struct ProgramProbe {
    std::string name;     // "bh_task_kill"
    std::string section;  // "lsm/task_kill"
    ProbeStage stage;     // how far it came
    int error = 0;        // errno when it did not come to kDone
    std::string detail;   // the end of the verifier's log, or what else is missing
    std::string remedy;   // for what is missing, when the errno does not say it

    [[nodiscard]] bool works() const { return stage == ProbeStage::kDone; }
};

// Loads every program, attaches it and drops it; nothing is pinned. The programs see no labelled
// task meanwhile, as their maps are their own, so they refuse nothing. The dropping may go on for
// some seconds after the return. Where the programs are loaded for good, those are looked at: each
// must still hang on its hook. Fails only when the programs cannot be opened or this kernel has no
// BTF.
Result<std::vector<ProgramProbe>> probe_programs();

}  // namespace bulkhead::loader
