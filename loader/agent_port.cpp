#include "loader/agent_port.h"

#include <atomic>

#include "loader/pins.h"

namespace bulkhead::loader {

Status announce_agent_port(__u32 port) {
    BULKHEAD_TRY_VALUE(meta, map_meta());
    std::atomic_ref<__u32>(meta[0].agent_port).store(port);
    return {};
}

Status withdraw_agent_port(__u32 port) {
    BULKHEAD_TRY_VALUE(meta, map_meta());
    std::atomic_ref<__u32>(meta[0].agent_port).compare_exchange_strong(port, 0);
    return {};
}

}  // namespace bulkhead::loader
