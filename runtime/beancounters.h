// Beancounters of an environment: held, maxheld, barrier, limit and failcnt of what it has of the
// kernel, whether programs count it or its cgroup does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "loader/beancounters.h"
#include "loader/result.h"
#include "runtime/json.h"

namespace bulkhead::loader {
class Environments;
}

namespace bulkhead::runtime {

class Cgroup;

// Objects, or pages of 4096 bytes, or bytes: as the name says. Absent: not counted, or the kernel
// does not keep it.
struct Beancounter {
    std::string_view name;
    std::optional<std::uint64_t> held;
    std::optional<std::uint64_t> maxheld;
    std::optional<std::uint64_t> barrier;  // BH_UNLIMITED: none
    std::optional<std::uint64_t> limit;
    std::optional<std::uint64_t> failcnt;
};

// Every beancounter of the environment, in the order of the wire. ENOENT: no environment has this
// name.
Result<std::vector<Beancounter>> read_beancounters(const std::string& name);

Json to_json(const std::vector<Beancounter>& counters);
// A line each, below a line of titles.
std::string to_text(const std::vector<Beancounter>& counters);

struct BeancounterBounds {
    bh_beancounter_id counter{};
    loader::Bounds bounds;
};

// "numfile=90:100", "numfile=100" (barrier and limit), "numfile=unlimited". kUsage, naming what is
// wrong.
Result<BeancounterBounds> parse_bounds(const std::string& text);

// Live. `cgroup`: the environment's. ESTALE: it is gone.
Status set_bounds(const loader::Environments& environments, bh_label label, const Cgroup& cgroup,
                  const BeancounterBounds& wanted);
// The same for an environment that is there. kUsage for what the cgroup of an adopted one bounds.
Status set_bounds_of(const std::string& name, const std::vector<BeancounterBounds>& wanted);

}  // namespace bulkhead::runtime
