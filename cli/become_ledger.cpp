#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "cli/helper_program.h"
#include "cli/ledger_actions.h"

namespace bulkhead::cli {
namespace {

// With the words of this command line.
Result<int> become_ledger() {
    std::ifstream file("/proc/self/cmdline");
    std::vector<std::string> words;
    for (std::string word; std::getline(file, word, '\0');)
        words.push_back(word);
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string program = helper_program("bulkhead-ledger");
    ::execv(program.c_str(), arguments.data());
    return fail_errno("execute " + program);
}

}  // namespace

Result<int> receipts(const ReceiptsOptions& /*options*/) {
    return become_ledger();
}

Result<int> bill(const BillOptions& /*options*/) {
    return become_ledger();
}

Result<int> unload(const UnloadOptions& options) {
    // Where that program is missing, the way out is not: what is pending waits.
    (void)become_ledger();
    return unload_and_tell(options, [] {});
}

}  // namespace bulkhead::cli
