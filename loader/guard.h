// Our maps, programs, links, pins and agent against the host's own tasks: who may touch them are
// our executables alone. Beside the fence and apart from it; nothing of it is there unless asked
// for.
#pragma once

#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

// By path; whatever file is there when they are protected. "" or not there: not installed.
struct OurExecutables {
    std::string command = "/proc/self/exe";
    std::string ledger;
    std::string agent;
};

struct ProtectOptions {
    OurExecutables executables;
    // As LoadOptions::leave_out.
    std::vector<std::string> leave_out;
};

enum class ProtectOutcome { kProtected, kAlreadyProtected };

// All of it or nothing. ENOENT when nothing is loaded.
Result<ProtectOutcome> protect(const ProtectOptions& options);

// Loads and attaches the programs that protect, which protect nothing yet, and drops them.
// Where they are there already: nothing.
Status try_to_protect();

// EPERM: and this is not one of the executables.
Result<bool> is_protected();

// Leaves the fence as it is. Not protected: nothing to do.
Status unprotect();

// Pins a link, and tells the guard of it.
Status pin_link(int link, const std::string& path);
// Removes the pin of a link, if it is there.
Status unpin_link(const std::string& path);

// What was refused to others. ENOENT when nothing is protected.
Result<bh_guard_log> read_guard_log();
const char* guard_hook_name(unsigned hook);

std::vector<std::string> guard_program_names();

}  // namespace bulkhead::loader
