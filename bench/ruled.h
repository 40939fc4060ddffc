// What the programs of a policy's rules cost an act that the rules let pass.
#pragma once

#include "bench/figures.h"

namespace bulkhead::bench {

// Loads the programs and takes them out again. Adds, in instructions for one act inside:
//   rules.ACT.inside   the programs of the rules on their hook, and nothing else
//   rules.ACT.empty    a program that returns 0 in their place
// ACT: open_again, open_new (10 rules of [files], eight names deep; a file that was opened before,
// and each time another one), open_beside, open_far (each time in another directory of eight names,
// beside what the rules name and six below it), open_first (each the first beneath its rule since
// the policy was published), connect (1,000 networks), exec (what refuses drift and what runs
// anonymously, and the programs of every exec)
Status measure_rules(Figures& figures);

}  // namespace bulkhead::bench
