#include "loader/on_demand.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "loader/guard.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

struct OnDemand {
    std::string_view program;
    __u64 demand;  // any bit of it
};

constexpr unsigned kMillisecondsToDetach = 10'000;

constexpr __u64 kCode = 1ULL << BH_CLASS_ANONYMOUS_CODE | 1ULL << BH_CLASS_DRIFT;
constexpr __u64 kMapped = kCode | 1ULL << BH_CLASS_EXECUTION;
constexpr __u64 kTree = 1ULL << BH_CLASS_PATHS | 1ULL << BH_CLASS_EXECUTION;

// Beyond the bits of classes: generations are none of anybody's demand.
constexpr unsigned kFlagShift = BH_MAX_CLASSES;
constexpr __u64 kRevokes = __u64{BH_ENV_REVOKES} << kFlagShift;
constexpr __u64 kIoctls = __u64{BH_ENV_IOCTLS} << kFlagShift;

constexpr std::array kPrograms = {
    OnDemand{"bh_exec_code", kCode},     OnDemand{"bh_mmap_code", kMapped},
    OnDemand{"bh_mprot_code", kMapped},  OnDemand{"bh_tree_acl", kTree},
    OnDemand{"bh_tree_attr", kTree},     OnDemand{"bh_tree_fcntl", kTree},
    OnDemand{"bh_tree_link", kTree},     OnDemand{"bh_tree_mkdir", kTree},
    OnDemand{"bh_tree_mknod", kTree},    OnDemand{"bh_tree_open", kTree},
    OnDemand{"bh_tree_rename", kTree},   OnDemand{"bh_tree_rmdir", kTree},
    OnDemand{"bh_tree_rmx", kTree},      OnDemand{"bh_tree_setx", kTree},
    OnDemand{"bh_tree_symlink", kTree},  OnDemand{"bh_tree_trunc", kTree},
    OnDemand{"bh_tree_unlink", kTree},   OnDemand{"bh_revoke_use", kRevokes},
    OnDemand{"bh_revoke_map", kRevokes}, OnDemand{"bh_revoke_recv", kRevokes},
    OnDemand{"bh_ioctl_kind", kIoctls},  OnDemand{"bh_ioctl_kind32", kIoctls}};

// Not loaded where the kernel lacks its hook and asks at another.
bool is_variant(std::string_view program) {
    return program == "bh_tree_acl" || program == "bh_ioctl_kind32";
}

// Asked of their directory: of each whole path the kernel would ask all hooks for each name.
class PinnedLinks {
public:
    static Result<PinnedLinks> open() {
        PinnedLinks links;
        links.directory_.reset(::open(link_pin("").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!links.directory_)
            return fail_errno("open " + link_pin(""));
        return links;
    }

    [[nodiscard]] Result<bool> have(std::string_view program) const {
        const std::string name(program);
        if (::faccessat(directory_.get(), name.c_str(), F_OK, 0) == 0)
            return true;
        if (errno == ENOENT)
            return false;
        return fail_errno("look for " + link_pin(program));
    }

private:
    UniqueFd directory_;
};

// A link whose pin was removed is taken off its hook by a worker of the kernel, some time later;
// until then the program cannot be put there again.
Result<UniqueFd> link_when_free(int program) {
    for (unsigned waited = 0;; ++waited) {
        UniqueFd link(bpf_raw_tracepoint_open(nullptr, program));
        if (link)
            return link;
        if ((errno != EBUSY && errno != EEXIST) || waited == kMillisecondsToDetach)
            return fail_errno("attach it");
        ::usleep(1000);
    }
}

}  // namespace

Status attach_pinned(std::string_view program) {
    const std::string pin = link_pin(program);
    if (::access(pin.c_str(), F_OK) == 0)
        return {};
    const auto pinned = open_pinned(program_pin(program));
    if (!pinned && pinned.error().code() == ENOENT && is_variant(program))
        return {};
    if (!pinned)
        return fail(Error(pinned.error()));
    auto link = link_when_free(pinned->get());
    if (!link)
        return fail(std::move(link)
                        .error()
                        .within("program " + std::string(program))
                        .advise("bulkhead doctor tells what this kernel lacks"));
    return pin_link(link->get(), pin);
}

bool is_on_demand(std::string_view program) {
    return std::any_of(kPrograms.begin(), kPrograms.end(),
                       [&](const OnDemand& row) { return row.program == program; });
}

__u64 demand_of(__u64 control, __u32 flags) {
    return BH_CONTROL_CLASSES(control) | __u64{flags & kDemandFlags} << kFlagShift;
}

bool needs_on_demand(__u64 demand) {
    return std::any_of(kPrograms.begin(), kPrograms.end(),
                       [&](const OnDemand& row) { return (row.demand & demand) != 0; });
}

Status attach_on_demand(__u64 demand) {
    if (!needs_on_demand(demand))
        return {};
    BULKHEAD_TRY_VALUE(links, PinnedLinks::open());
    for (const OnDemand& row : kPrograms) {
        if ((row.demand & demand) == 0)
            continue;
        BULKHEAD_TRY_VALUE(is_attached, links.have(row.program));
        if (!is_attached)
            BULKHEAD_TRY(attach_pinned(row.program));
    }
    return {};
}

Status settle_on_demand(const Environments& environments, bh_label leaving) {
    __u64 needed = 0;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if (label.serial != leaving.serial)
            needed |= demand_of(record.control, record.flags);
    });
    BULKHEAD_TRY_VALUE(links, PinnedLinks::open());
    for (const OnDemand& row : kPrograms) {
        if ((row.demand & needed) != 0)
            continue;
        BULKHEAD_TRY_VALUE(is_attached, links.have(row.program));
        if (is_attached)
            BULKHEAD_TRY(unpin_link(link_pin(row.program)));
    }
    return {};
}

}  // namespace bulkhead::loader
