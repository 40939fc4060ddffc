#include "loader/cgroup_programs.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "loader/guard.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kCgroupMount = "/sys/fs/cgroup";

std::string pin_of(const CgroupProgram& program, bh_label label) {
    return link_pin(std::string(program.name) + "-" + std::to_string(label.serial));
}

Status tell_owner(bh_label label, __u64 cgroup_id) {
    auto owners = open_pinned_map<__u64, bh_label>("bh_net_cgroups");
    if (!owners)
        return fail(std::move(owners).error());
    return owners->put(cgroup_id, label);
}

}  // namespace

// cgroup file handles are the id: kernfs' own encoding, stable since 5.5.
Result<UniqueFd> open_cgroup(__u64 id) {
    constexpr int kFileIdKernfs = 0xfe;
    const UniqueFd mount(::open(kCgroupMount, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount)
        return fail_errno(std::string("open ") + kCgroupMount);
    alignas(file_handle) char storage[sizeof(file_handle) + sizeof id]{};
    auto* handle = reinterpret_cast<file_handle*>(storage);
    handle->handle_bytes = sizeof id;
    handle->handle_type = kFileIdKernfs;
    std::memcpy(handle->f_handle, &id, sizeof id);
    UniqueFd cgroup(::open_by_handle_at(mount.get(), handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup)
        return fail_errno("open the cgroup with id " + std::to_string(id));
    return cgroup;
}

Status attach_to_cgroup(const CgroupProgram& program, bh_label label, __u64 cgroup_id,
                        Owner owner) {
    const std::string pin = pin_of(program, label);
    if (::access(pin.c_str(), F_OK) == 0)
        return {};
    auto pinned = open_pinned(program_pin(program.name));
    if (!pinned && pinned.error().code() == ENOENT)
        return {};  // left out on purpose
    if (!pinned)
        return fail(std::move(pinned).error());
    BULKHEAD_TRY_VALUE(cgroup, open_cgroup(cgroup_id));
    const UniqueFd link(bpf_link_create(pinned->get(), cgroup.get(), program.type, nullptr));
    if (!link)
        return fail_errno(std::string("attach ") + program.name + " to the environment's cgroup");
    // The kernel has room for it only where a program that asks is attached.
    if (owner == Owner::kTold)
        BULKHEAD_TRY(tell_owner(label, cgroup_id));
    return pin_link(link.get(), pin);
}

Status detach_from_cgroup(const CgroupProgram& program, bh_label label) {
    return unpin_link(pin_of(program, label));
}

}  // namespace bulkhead::loader
