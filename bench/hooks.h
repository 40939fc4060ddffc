// What the kernel programs cost.
#pragma once

#include <set>
#include <string>

#include "bench/figures.h"

namespace bulkhead::bench {

// Of figures (group_of()); empty: all of them.
using Groups = std::set<std::string>;

// Loads the programs and takes them out again. Adds, of these groups, in instructions for one
// act:
//   all.OPERATION.none|outside|inside         the act with nothing loaded, and with everything
//   one.HOOK.PROGRAM.empty|outside|inside          what one program alone adds to the act that
//   reaches
//                                             its hook; empty: a program that returns 0
//   one.HOOK.PROGRAM.whole                         that act with nothing loaded
//   one.HOOK.PROGRAM.refused                       present: inside, that act is refused and
//   recorded
Status measure_hooks(const Groups& groups, Figures& figures);

}  // namespace bulkhead::bench
