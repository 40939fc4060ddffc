// One store to a field that the kernel programs read: what was written before is seen by whoever
// sees it.
#pragma once

#include <atomic>

namespace bulkhead::loader {

template <typename Field>
void store_release(Field& field, Field value) {
    std::atomic_ref<Field>(field).store(value, std::memory_order_release);
}

}  // namespace bulkhead::loader
