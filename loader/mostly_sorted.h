// Sorts what mostly is in order already, as lists that people write are.
#pragma once

#include <algorithm>

namespace bulkhead::loader {

// Equal ones stay in the order that they have. Sorted is only what comes behind those in order.
template <typename Range, typename IsBefore>
void sort_mostly_sorted(Range& range, IsBefore is_before) {
    const auto rest = std::is_sorted_until(range.begin(), range.end(), is_before);
    std::stable_sort(rest, range.end(), is_before);
    if (rest == range.end())
        return;
    const auto first = std::upper_bound(range.begin(), rest, *rest, is_before);
    std::inplace_merge(first, rest, range.end(), is_before);
}

}  // namespace bulkhead::loader
