#include "loader/labelled.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "bpf/wire_labelled.h"
#include "loader/passes.h"

namespace bulkhead::loader {
namespace {

// See bpf/labelled.bpf.c.
constexpr unsigned kPassesOfAProof = 2;

std::string printable(const char* text, std::size_t most) {
    std::string command(text, ::strnlen(text, most));
    std::replace_if(
        command.begin(), command.end(),
        [](char letter) { return std::isprint(static_cast<unsigned char>(letter)) == 0; }, '?');
    return command;
}

}  // namespace

Result<std::optional<LabelledTask>> find_labelled() {
    for (unsigned passes = 0; passes < kPassesOfAProof; ++passes) {
        BULKHEAD_TRY_VALUE(pass, start_pass("bh_label_pass"));
        BULKHEAD_TRY_VALUE(rows, read_rows<bh_labelled>(pass));
        if (rows.empty())
            continue;
        const bh_labelled& row = rows.front();
        if (row.pid == 0)
            return fail(Error(EPERM, "this PID namespace does not show all tasks of the machine")
                            .advise("do it from the machine's own PID namespace"));
        return LabelledTask{static_cast<pid_t>(row.pid), printable(row.comm, sizeof row.comm)};
    }
    return std::optional<LabelledTask>{};
}

}  // namespace bulkhead::loader
