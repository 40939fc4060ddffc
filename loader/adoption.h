// Labelling what runs already: the programs of bpf/adopt.bpf.c, attached only while they are
// needed.
#pragma once

#include <string_view>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/result.h"

namespace bulkhead::loader {

// Attached by adopt_tasks(), not by load().
inline constexpr std::string_view kAdoptionProgram = "bh_adopt_move";

// Labels every task in the cgroup of `label`, and from now on whatever enters it. The record is
// published and carries BH_ENV_ADOPTED.
Status adopt_tasks(const Environments& environments, bh_label label);

// Takes the label off every task, then withdraws the record. Killed half-way it may be repeated:
// the record stays, and refuses nothing from the first step on. The caller has frozen the cgroup
// and keeps it so; EAGAIN: some of its tasks do not come to rest.
Status release_tasks(Environments& environments, bh_label label);

// Detaches the program when no environment is adopted any more.
Status settle_adoption(const Environments& environments);

}  // namespace bulkhead::loader
