// What happened to environments, a JSON object a line, in /run/bulkhead/.events: written by
// whichever command does it, so that no process has to watch. It is a report: that it cannot be
// written stops nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/unique_fd.h"
#include "runtime/json.h"

namespace bulkhead::runtime {

// `details`: further keys of the object. `environment` may be empty.
void tell(std::string_view event, const std::string& environment, const Json& details);
// The same about what happened earlier.
void tell_of(std::uint64_t unix_ns, std::string_view event, const std::string& environment,
             const Json& details);

// Reads what was told, and goes on where it stopped. At a mebibyte the journal becomes `.events.1`,
// in the place of an older one, and a new one begins.
class JournalReader {
public:
    // From the oldest line that is kept.
    JournalReader();

    // Those that were told since the last call. A line that is no JSON is passed over.
    std::vector<Json> next();

private:
    void read_more(std::vector<Json>& events);

    UniqueFd file_;
    std::string partial_;  // of a line
};

}  // namespace bulkhead::runtime
