#include "loader/variants.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <memory>
#include <string>

#include "bulkhead_bpf.skel.h"

#include "loader/meter_constants.h"

namespace bulkhead::loader {
namespace {

// The kernel declares bpf_lsm_HOOK for each hook it has.
bool has_hook(const btf* kernel, const std::string& hook) {
    const std::string name = "bpf_lsm_" + hook;
    return btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC) > 0;
}

int argument_count(const btf* kernel, const std::string& hook) {
    const std::string name = "bpf_lsm_" + hook;
    const int id = btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC);
    if (id <= 0)
        return 0;
    return btf_vlen(btf__type_by_id(kernel, btf__type_by_id(kernel, id)->type));
}

}  // namespace

Result<Variants> select_variants(const bulkhead_bpf& skeleton) {
    std::unique_ptr<btf, void (*)(btf*)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel)
        return fail(
            Error(errno, "read the kernel's BTF (/sys/kernel/btf/vmlinux)", Fault::kUnsupported)
                .advise("use a kernel built with CONFIG_DEBUG_INFO_BTF"));
    // io_uring: by a hook of its own (6.18), before that by the name of the descriptor's inode.
    const bool uring = has_hook(kernel.get(), "uring_allowed");
    bpf_program__set_autoload(skeleton.progs.bh_uring, uring);
    skeleton.rodata->bh_uring_by_name = !uring;
    // ACLs: by a hook of their own (6.2), before that as extended attributes.
    bpf_program__set_autoload(skeleton.progs.bh_set_acl, has_hook(kernel.get(), "inode_set_acl"));
    // ioctl(2) of 32-bit callers: a hook of its own from 6.8 and in the stable kernels that took
    // it, before that file_ioctl.
    bpf_program__set_autoload(skeleton.progs.bh_ioctl_compat,
                              has_hook(kernel.get(), "file_ioctl_compat"));
    // inode_setattr: (dentry, attr), with a leading mnt_idmap from 6.8.
    skeleton.rodata->bh_setattr_dentry = argument_count(kernel.get(), "inode_setattr") - 2;
    return Variants{fill_meter_constants(skeleton, *kernel)};
}

}  // namespace bulkhead::loader
