// A row of an array that has one for each slot and is shared with programs that count in it.
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <utility>

#include "loader/map_view.h"
#include "loader/pins.h"

namespace bulkhead::loader {

// The page that the row is in, mapped, so that fields change beside counts that move. Rows fill
// pages: their size is a power of two up to 4096.
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
    static_assert(4096 % sizeof(Value) == 0);
    static constexpr std::size_t kWindow = 4096 / sizeof(Value);

    SlotRow(Rows window, std::size_t index) : window_(std::move(window)), index_(index) {}

    Rows window_;
    std::size_t index_;
};

// Returns when no program runs any more that read a row before: they are RCU readers.
inline void wait_for_programs() {
    (void)::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

}  // namespace bulkhead::loader
