// The records of bh_envs, mapped a window at a time: the kernel populates every page of a mapping
// of a map, and mapping all records would cost a start more than a process of its own.
#pragma once

#include <vector>

#include "bpf/wire.h"
#include "loader/map_view.h"
#include "loader/result.h"

namespace bulkhead::loader {

class Records {
public:
    // ENOENT when nothing is loaded.
    static Result<Records> open();

    // Maps the slots below `count`. What is mapped stays where it is.
    Status cover(std::size_t count);
    [[nodiscard]] std::size_t covered() const { return windows_.size() * kWindow; }

    // `slot` is below covered().
    [[nodiscard]] bh_environment& operator[](std::size_t slot) const {
        return windows_[slot / kWindow][slot % kWindow];
    }

private:
    // A whole number of pages, and of windows.
    static constexpr std::size_t kWindow = 256;
    static_assert(kWindow * sizeof(bh_environment) % 4096 == 0);
    static_assert(BH_MAX_ENVIRONMENTS % kWindow == 0);

    explicit Records(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
    std::vector<MappedArray<bh_environment>> windows_;
};

}  // namespace bulkhead::loader
