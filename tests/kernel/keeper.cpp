#include "tests/kernel/keeper.h"

#include <gtest/gtest.h>

#include "loader/environments.h"

namespace bulkhead::tests {
namespace {

constexpr __u64 kAsked = 1ULL << BH_CLASS_ANONYMOUS_CODE | 1ULL << BH_CLASS_DRIFT |
                         1ULL << BH_CLASS_EXECUTION | 1ULL << BH_CLASS_PATHS;

}  // namespace

Status keep_programs() {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    BULKHEAD_TRY_VALUE(label, environments.reserve(kKeeper));
    bh_environment record{};
    record.control = 1ULL << BH_CONTROL_GENERATION_SHIFT | kAsked;
    return environments.publish(label, record);
}

Status let_programs_go() {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    const auto label = environments.find(kKeeper);
    if (!label)
        return {};
    BULKHEAD_TRY(environments.withdraw(*label));
    return {};
}

NobodyAsks::NobodyAsks() {
    const auto gone = let_programs_go();
    EXPECT_TRUE(gone.has_value()) << gone.error().message();
}

NobodyAsks::~NobodyAsks() {
    const auto kept = keep_programs();
    EXPECT_TRUE(kept.has_value()) << kept.error().message();
}

}  // namespace bulkhead::tests
