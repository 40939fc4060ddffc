// What the kernel programs cost.
#pragma once

#include "bench/figures.h"

namespace bulkhead::bench {

// Loads the programs and takes them out again. Adds, in instructions for one act:
//   all.OPERATION.none|outside|inside         the act with nothing loaded, and with everything
//   one.HOOK.PROGRAM.empty|outside|inside          what one program alone adds to the act that
//   reaches
//                                             its hook; empty: a program that returns 0
//   one.HOOK.PROGRAM.whole                         that act with nothing loaded
//   one.HOOK.PROGRAM.refused                       present: inside, that act is refused and
//   recorded
Status measure_hooks(Figures& figures);

}  // namespace bulkhead::bench
