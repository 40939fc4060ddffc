#include "loader/guard_objects.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "bpf/wire.h"
#include "loader/guard.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

Status own(int owned, bh_guard_kind kind, __u32 id) {
    const bh_guard_object object{kind, id};
    const __u64 present = 1;
    if (bpf_map_update_elem(owned, &object, &present, BPF_ANY) != 0)
        return fail_errno("write to map bh_guard_owned");
    return {};
}

template <typename Info>
Result<Info> info_of(int fd, const std::string& path) {
    Info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0)
        return fail_errno("ask for " + path);
    return info;
}

// With the programs of links, most of which have no pin of their own.
Status own_pin(int owned, bh_guard_kind kind, const std::string& path) {
    BULKHEAD_TRY_VALUE(pinned, open_pinned(path));
    if (kind == BH_GUARD_MAP) {
        BULKHEAD_TRY_VALUE(info, info_of<bpf_map_info>(pinned.get(), path));
        return own(owned, kind, info.id);
    }
    if (kind == BH_GUARD_PROGRAM) {
        BULKHEAD_TRY_VALUE(info, info_of<bpf_prog_info>(pinned.get(), path));
        return own(owned, kind, info.id);
    }
    BULKHEAD_TRY_VALUE(info, info_of<bpf_link_info>(pinned.get(), path));
    BULKHEAD_TRY(own(owned, BH_GUARD_PROGRAM, info.prog_id));
    return own(owned, kind, info.id);
}

Status own_directory(int owned, bh_guard_kind kind, const std::string& directory) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        if (entry.is_regular_file())
            BULKHEAD_TRY(own_pin(owned, kind, entry.path().string()));
    }
    return error ? fail(Error(error.value(), "read " + directory)) : Status{};
}

// A descriptor of the guard's map; none: nothing is protected.
Result<UniqueFd> open_owned() {
    const std::string path = map_pin("bh_guard_owned");
    UniqueFd owned(bpf_obj_get(path.c_str()));
    if (!owned && errno != ENOENT)
        return fail_errno("open the pin " + path);
    return owned;
}

}  // namespace

Status own_all_pinned(int owned) {
    const std::string root(kPinRoot);
    BULKHEAD_TRY(own_directory(owned, BH_GUARD_MAP, root + "/maps"));
    BULKHEAD_TRY(own_directory(owned, BH_GUARD_PROGRAM, root + "/programs"));
    BULKHEAD_TRY(own_directory(owned, BH_GUARD_LINK, root + "/links"));
    // The table of beancounters.
    return own_directory(owned, BH_GUARD_LINK, root);
}

Status pin_link(int link, const std::string& path) {
    BULKHEAD_TRY_VALUE(owned, open_owned());
    if (owned) {
        BULKHEAD_TRY_VALUE(info, info_of<bpf_link_info>(link, "the link of " + path));
        BULKHEAD_TRY(own(owned.get(), BH_GUARD_LINK, info.id));
    }
    if (bpf_obj_pin(link, path.c_str()) != 0)
        return fail_errno("pin " + path);
    return {};
}

Status unpin_link(const std::string& path) {
    BULKHEAD_TRY_VALUE(owned, open_owned());
    const UniqueFd link(owned ? bpf_obj_get(path.c_str()) : -1);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return fail_errno("remove " + path);
    if (!link)
        return {};
    BULKHEAD_TRY_VALUE(info, info_of<bpf_link_info>(link.get(), path));
    const bh_guard_object object{BH_GUARD_LINK, info.id};
    (void)bpf_map_delete_elem(owned.get(), &object);
    return {};
}

}  // namespace bulkhead::loader
