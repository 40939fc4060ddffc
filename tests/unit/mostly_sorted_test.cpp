#include "loader/mostly_sorted.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace bulkhead::loader {
namespace {

using Pairs = std::vector<std::pair<int, int>>;

Pairs sorted(Pairs pairs) {
    sort_mostly_sorted(pairs, [](const auto& a, const auto& b) { return a.first < b.first; });
    return pairs;
}

TEST(MostlySorted, WhatIsInOrderStaysAsItIs) {
    EXPECT_EQ(sorted({}), Pairs{});
    EXPECT_EQ(sorted({{1, 0}}), (Pairs{{1, 0}}));
    EXPECT_EQ(sorted({{1, 0}, {2, 1}, {2, 2}, {5, 3}}), (Pairs{{1, 0}, {2, 1}, {2, 2}, {5, 3}}));
}

TEST(MostlySorted, WhatComesBehindIsMergedInAndEqualOnesStayInOrder) {
    EXPECT_EQ(sorted({{2, 0}, {4, 1}, {6, 2}, {4, 3}, {0, 4}, {2, 5}, {9, 6}}),
              (Pairs{{0, 4}, {2, 0}, {2, 5}, {4, 1}, {4, 3}, {6, 2}, {9, 6}}));
}

TEST(MostlySorted, WhatIsInNoOrderIsSorted) {
    EXPECT_EQ(sorted({{5, 0}, {4, 1}, {3, 2}, {3, 3}, {1, 4}}),
              (Pairs{{1, 4}, {3, 2}, {3, 3}, {4, 1}, {5, 0}}));
}

}  // namespace
}  // namespace bulkhead::loader
