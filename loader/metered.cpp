#include "loader/metered.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

constexpr const char* kCgroupMount = "/sys/fs/cgroup";

struct CgroupProgram {
    const char* name;
    bpf_attach_type type;
};
constexpr std::array kCgroupPrograms = {
    CgroupProgram{"bh_cg_receive", BPF_CGROUP_INET_INGRESS},
    CgroupProgram{"bh_cg_send", BPF_CGROUP_INET_EGRESS},
};

std::string pin_of(const CgroupProgram& program, bh_label label) {
    return link_pin(std::string(program.name) + "-" + std::to_string(label.serial));
}

// Attaches to the cgroup, says whose it is, and pins the link.
Status attach(const CgroupProgram& program, bh_label label, int cgroup, __u64 cgroup_id) {
    const std::string pin = pin_of(program, label);
    if (::access(pin.c_str(), F_OK) == 0)
        return {};
    auto pinned = open_pinned(program_pin(program.name));
    if (!pinned && pinned.error().code() == ENOENT)
        return {};  // left out on purpose
    if (!pinned)
        return fail(std::move(pinned).error());
    const UniqueFd link(bpf_link_create(pinned->get(), cgroup, program.type, nullptr));
    if (!link)
        return fail_errno(std::string("attach ") + program.name + " to the environment's cgroup");
    auto owners = open_pinned_map<__u64, bh_label>("bh_net_cgroups");
    if (!owners)
        return fail(std::move(owners).error());
    BULKHEAD_TRY(owners->put(cgroup_id, label));
    if (bpf_obj_pin(link.get(), pin.c_str()) != 0)
        return fail_errno("pin " + pin);
    return {};
}

Status put(const char* map, __u64 key, bh_label label) {
    auto rows = open_pinned_map<__u64, bh_label>(map);
    if (!rows)
        return fail(std::move(rows).error());
    return rows->put(key, label);
}

// Leaves a row that has another owner by now: numbers of namespaces are used again.
Status erase(const char* map, __u64 key, bh_label label) {
    auto rows = open_pinned_map<__u64, bh_label>(map);
    if (!rows)
        return fail(std::move(rows).error());
    BULKHEAD_TRY_VALUE(owner, rows->find(key));
    if (!owner || owner->serial != label.serial)
        return {};
    BULKHEAD_TRY(rows->erase(key));
    return {};
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

Status start_metering(bh_label label, const bh_environment& record) {
    if (record.cgroup_id != 0)
        BULKHEAD_TRY(put("bh_cgroups", record.cgroup_id, label));
    if ((record.flags & BH_ENV_HOST_NETWORK) == 0)
        return record.net_ns != 0 ? put("bh_netns", record.net_ns, label) : Status{};
    BULKHEAD_TRY_VALUE(cgroup, open_cgroup(record.cgroup_id));
    for (const CgroupProgram& program : kCgroupPrograms)
        BULKHEAD_TRY(attach(program, label, cgroup.get(), record.cgroup_id));
    return {};
}

Status stop_metering(bh_label label, const bh_environment& record) {
    if (record.cgroup_id != 0)
        BULKHEAD_TRY(erase("bh_cgroups", record.cgroup_id, label));
    if ((record.flags & BH_ENV_HOST_NETWORK) == 0)
        return record.net_ns != 0 ? erase("bh_netns", record.net_ns, label) : Status{};
    for (const CgroupProgram& program : kCgroupPrograms)
        if (::unlink(pin_of(program, label).c_str()) != 0 && errno != ENOENT)
            return fail_errno("remove " + pin_of(program, label));
    return {};
}

}  // namespace bulkhead::loader
