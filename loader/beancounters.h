// Bounds on the kernel objects that an environment makes: the rows that the programs count in, and
// the programs themselves, which are on their hooks only while some environment has a bound on what
// they count.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bpf/wire.h"
#include "loader/result.h"

namespace bulkhead::loader {

class Environments;

struct Bounds {
    __u64 barrier = BH_UNLIMITED;  // past it a warning is recorded
    __u64 limit = BH_UNLIMITED;    // what would go above it is refused
};

// True for programs that load() pins and does not attach.
bool counts_objects(std::string_view program);

const char* beancounter_name(unsigned counter);

// Holds for every object that is made from now on. Those that the environment made before its
// first bound on this counter are not counted. `held` stays when bounds change, also when it is
// above the new limit. ESTALE: the environment is gone.
Status set_bounds(const Environments& environments, bh_label label, bh_beancounter_id counter,
                  Bounds bounds);

// Counts it no more; what it counts in the kernel costs nothing from then on.
Status clear_bounds(const Environments& environments, bh_label label, bh_beancounter_id counter);

// The row as it is now; none: nothing of this environment is counted.
Result<std::optional<bh_beancounters>> read_beancounters(bh_label label);

// A file below the pins that prints, to whoever of an environment reads it, that environment's own
// table, with no process of ours; to others it is empty. Made when it is not there.
Result<std::string> beancounters_file();

// Detaches what no environment needs but, perhaps, that of `label`, which leaves. Under
// lock_pins().
Status stop_counting(const Environments& environments, bh_label label);

}  // namespace bulkhead::loader
