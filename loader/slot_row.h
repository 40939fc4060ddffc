// A row of an array that has one for each slot and is shared with programs that count in it.
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <numeric>
#include <utility>

#include "loader/map_view.h"
#include "loader/pins.h"

namespace bulkhead::loader {

// The pages that the row is in, mapped, so that fields change beside counts that move: as many as
// begin with a row and end with one.
template <typename Value>
class SlotRow {
public:
    // `map`: its name, below the pins. The errno when it cannot be mapped.
    static Result<SlotRow> open(const char* map, __u32 slot) {
        BULKHEAD_TRY_VALUE(fd, open_pinned(map_pin(map)));
        const std::size_t first = slot - slot % kWindow;
        BULKHEAD_TRY_VALUE(window,
                           Rows::map_part(fd.get(), first, kWindow, Rows::Access::kWrite, map));
        return SlotRow(std::move(window), slot % kWindow);
    }

    [[nodiscard]] Value& operator*() const { return window_[index_]; }
    [[nodiscard]] Value* operator->() const { return &window_[index_]; }

private:
    using Rows = MappedArray<Value>;
    static constexpr std::size_t kPageBytes = 4096;
    static constexpr std::size_t kWindow = kPageBytes / std::gcd(kPageBytes, sizeof(Value));
    static_assert(BH_MAX_ENVIRONMENTS % kWindow == 0);

    SlotRow(Rows window, std::size_t index) : window_(std::move(window)), index_(index) {}

    Rows window_;
    std::size_t index_;
};

// Returns when no program runs any more that read a row before: they are RCU readers.
inline void wait_for_programs() {
    (void)::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

}  // namespace bulkhead::loader
