#include "loader/variants.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include "bulkhead_bpf.skel.h"

#include "loader/meter_constants.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {
namespace {

// The kernel declares bpf_lsm_HOOK for each hook it has.
bool has_hook(const btf* kernel, const std::string& hook) {
    const std::string name = "bpf_lsm_" + hook;
    return btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC) > 0;
}

// That a program's section names: not where the compiler put it into its only caller.
bool has_function_of(const btf* kernel, const bpf_program* program) {
    const std::string section = bpf_program__section_name(program);
    const std::string name = section.substr(section.rfind('/') + 1);
    return btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC) > 0;
}

// 7.2 has the hook, and lets no program attach to it.
bool takes_programs(const btf* kernel, const std::string& hook) {
    constexpr std::array<bpf_insn, 2> kReturnZero = {
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                 .dst_reg = BPF_REG_0,
                 .src_reg = 0,
                 .off = 0,
                 .imm = 0},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    const int id = btf__find_by_name_kind(kernel, ("bpf_lsm_" + hook).c_str(), BTF_KIND_FUNC);
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC);
    options.attach_btf_id = id > 0 ? static_cast<__u32>(id) : 0;
    return id > 0 && UniqueFd(bpf_prog_load(BPF_PROG_TYPE_LSM, "bh_try", "GPL", kReturnZero.data(),
                                            kReturnZero.size(), &options));
}

int argument_count(const btf* kernel, const std::string& hook) {
    const std::string name = "bpf_lsm_" + hook;
    const int id = btf__find_by_name_kind(kernel, name.c_str(), BTF_KIND_FUNC);
    if (id <= 0)
        return 0;
    return btf_vlen(btf__type_by_id(kernel, btf__type_by_id(kernel, id)->type));
}

// By the type that kernfs_super_info.ns points to: struct ns_common, or before 7.x void.
bool tags_sysfs_with_part(const btf* kernel) {
    const int id = btf__find_by_name_kind(kernel, "kernfs_super_info", BTF_KIND_STRUCT);
    if (id <= 0)
        return false;
    const btf_type* info = btf__type_by_id(kernel, id);
    for (unsigned i = 0; i < btf_vlen(info); ++i) {
        const btf_member& member = btf_members(info)[i];
        if (std::string("ns") != btf__name_by_offset(kernel, member.name_off))
            continue;
        const btf_type* type = btf__type_by_id(kernel, member.type);
        while (type != nullptr && (btf_is_ptr(type) || btf_is_mod(type)))
            type = btf__type_by_id(kernel, type->type);
        return type != nullptr && btf_is_struct(type);
    }
    return false;
}

// From 6.17 verifiers tell that a dentry may have no inode, and trust none that they cannot follow
// from the hook's arguments: by the type that their table has for it.
bool trusts_inodes_of_parents(const btf* kernel) {
    return btf__find_by_name_kind(kernel, "dentry__safe_trusted_or_null", BTF_KIND_STRUCT) <= 0;
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
    const bool acl = has_hook(kernel.get(), "inode_set_acl");
    bpf_program__set_autoload(skeleton.progs.bh_set_acl, acl);
    bpf_program__set_autoload(skeleton.progs.bh_tree_acl, acl);
    // ioctl(2) of 32-bit callers: a hook of its own from 6.8 and in the stable kernels that took
    // it, before that file_ioctl.
    const bool compat = has_hook(kernel.get(), "file_ioctl_compat");
    bpf_program__set_autoload(skeleton.progs.bh_ioctl_compat, compat);
    bpf_program__set_autoload(skeleton.progs.bh_ioctl_kind32, compat);
    // New files: by the hook, or in its caller.
    const bool file_hook = takes_programs(kernel.get(), "file_alloc_security");
    bpf_program__set_autoload(skeleton.progs.bh_bc_file, file_hook);
    bpf_program__set_autoload(skeleton.progs.bh_bc_file_mod, !file_hook);
    // Where what beancounters count begins and ends; without, no bound is taken.
    for (bpf_program* program :
         {skeleton.progs.bh_bc_watch_end, skeleton.progs.bh_bc_sig_end,
          skeleton.progs.bh_bc_lock_new, skeleton.progs.bh_bc_lock_end, skeleton.progs.bh_bc_unlock,
          skeleton.progs.bh_bc_setlk_end, skeleton.progs.bh_bc_flock_end,
          skeleton.progs.bh_bc_flock_32, skeleton.progs.bh_bc_oom, skeleton.progs.bh_bc_swap})
        bpf_program__set_autoload(program, has_function_of(kernel.get(), program));
    // inode_setattr: (dentry, attr), with a leading mnt_idmap from 6.8.
    const int dentry = argument_count(kernel.get(), "inode_setattr") - 2;
    skeleton.rodata->bh_setattr_dentry = dentry;
    skeleton.rodata->bh_setattr_idmap = dentry == 1;
    skeleton.rodata->bh_keeps_dirs = trusts_inodes_of_parents(kernel.get());
    skeleton.rodata->bh_sysfs_has_part = tags_sysfs_with_part(kernel.get());
    return Variants{fill_meter_constants(skeleton, *kernel)};
}

}  // namespace bulkhead::loader
