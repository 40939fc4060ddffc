#include "loader/records.h"

#include <algorithm>

#include "loader/pins.h"

namespace bulkhead::loader {

Result<Records> Records::open() {
    BULKHEAD_TRY_VALUE(fd, open_pinned(map_pin("bh_envs")));
    return Records(std::move(fd));
}

Status Records::cover(std::size_t count) {
    const std::size_t wanted = std::min<std::size_t>(count, BH_MAX_ENVIRONMENTS);
    while (covered() < wanted) {
        BULKHEAD_TRY_VALUE(window, MappedArray<bh_environment>::map_part(
                                       fd_.get(), covered(), kWindow,
                                       MappedArray<bh_environment>::Access::kWrite, "bh_envs"));
        windows_.push_back(std::move(window));
    }
    return {};
}

}  // namespace bulkhead::loader
