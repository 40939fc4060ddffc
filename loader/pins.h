// Where the kernel objects live in bpffs, so that they outlive every process of ours:
//   /sys/fs/bpf/bulkhead/{maps,programs,links}/NAME
#pragma once

#include <string>
#include <string_view>

#include "bpf/wire.h"
#include "loader/map_view.h"
#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

inline constexpr std::string_view kBpffs = "/sys/fs/bpf";
inline constexpr std::string_view kPinRoot = "/sys/fs/bpf/bulkhead";

std::string map_pin(std::string_view name);
std::string program_pin(std::string_view name);
std::string link_pin(std::string_view name);

// kUnsupported: no bpf file system is mounted at kBpffs.
Status check_bpffs();

// ENOENT when nothing is loaded.
Result<UniqueFd> open_pinned(const std::string& path);

// The program of a link. ENOENT: it was unloaded meanwhile.
Result<UniqueFd> program_of(int link);

// The directories that pins lie in; those that are there stay.
Status make_pin_directories();

// An exclusive lock on the pin directory, held as long as the descriptor lives: what takes a
// slot, loads or unloads holds it. ENOENT when nothing is loaded, or no longer when it is had.
Result<UniqueFd> lock_pins();

enum class LoadState { kAbsent, kLoaded };
// EPROTO for pins of another wire version or layout, naming the commands that replace them.
Result<LoadState> load_state();

// The same for an open bh_meta.
Status check_wire(int meta);

template <typename Value>
Result<MappedArray<Value>> map_pinned_array(std::string_view name, std::size_t count,
                                            typename MappedArray<Value>::Access access) {
    BULKHEAD_TRY_VALUE(fd, open_pinned(map_pin(name)));
    return MappedArray<Value>::map(fd.get(), count, access, std::string(name));
}

template <typename Key, typename Value>
Result<MapView<Key, Value>> open_pinned_map(std::string_view name) {
    BULKHEAD_TRY_VALUE(fd, open_pinned(map_pin(name)));
    return MapView<Key, Value>(std::move(fd), std::string(name));
}

// The row of bh_meta for reading and writing, after check_wire(). ENOENT when nothing is loaded;
// so, too, what an `unload` that was killed has left.
Result<MappedArray<bh_meta>> map_meta();

}  // namespace bulkhead::loader
