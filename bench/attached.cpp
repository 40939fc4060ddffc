#include "bench/attached.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>

#include "bench/clock.h"
#include "loader/pins.h"
#include "loader/programs.h"

namespace bulkhead::bench {
namespace {

using Btf = std::unique_ptr<btf, void (*)(btf*)>;

Result<bpf_prog_info> program_info(int fd) {
    bpf_prog_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0)
        return fail_errno("ask for a program");
    return info;
}

Result<bpf_link_info> link_info(int fd, std::array<char, 64>& tracepoint) {
    bpf_link_info info{};
    info.raw_tracepoint.tp_name = reinterpret_cast<__u64>(tracepoint.data());
    info.raw_tracepoint.tp_name_len = static_cast<__u32>(tracepoint.size());
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &bytes) != 0)
        return fail_errno("ask for a link");
    return info;
}

// "bpf_lsm_task_kill" is the function that the hook task_kill calls.
std::string hook_name(const btf* kernel, std::uint32_t function) {
    constexpr std::string_view kPrefix = "bpf_lsm_";
    const btf_type* type = btf__type_by_id(kernel, function);
    std::string name = type == nullptr ? "" : btf__name_by_offset(kernel, type->name_off);
    return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

Result<HookProgram> take_over(const std::string& name, int link, const btf* kernel) {
    std::array<char, 64> tracepoint{};
    BULKHEAD_TRY_VALUE(where, link_info(link, tracepoint));
    HookProgram program;
    program.name = name;
    program.fd = UniqueFd(bpf_prog_get_fd_by_id(where.prog_id));
    if (!program.fd)
        return fail_errno("open the program " + program.name);
    BULKHEAD_TRY_VALUE(info, program_info(program.fd.get()));
    program.type = info.type;
    program.attach_btf_id = info.attach_btf_id;
    if (where.type == BPF_LINK_TYPE_RAW_TRACEPOINT) {
        program.attach_type = BPF_TRACE_RAW_TP;
        program.hook = tracepoint.data();
    } else {
        program.attach_type = where.tracing.attach_type;
        program.hook = hook_name(kernel, info.attach_btf_id);
    }
    return program;
}

using Links = std::map<std::string, UniqueFd>;

std::filesystem::path links_directory() {
    return std::filesystem::path(loader::kPinRoot) / "links";
}

Result<Links> open_links() {
    Links links;
    for (const auto& pin : std::filesystem::directory_iterator(links_directory())) {
        BULKHEAD_TRY_VALUE(link, loader::open_pinned(pin.path().string()));
        links.emplace(pin.path().filename().string(), std::move(link));
    }
    return links;
}

// The pins are gone. The kernel lets go of what a pin held in the background, and detaching all
// takes it seconds; closing the last descriptor of a link returns when its program is detached.
void detach(Links links) {
    settle();
    links.clear();
    settle();
}

}  // namespace

Result<std::vector<HookProgram>> detach_all() {
    const Btf kernel(btf__load_vmlinux_btf(), btf__free);
    if (!kernel)
        return fail_errno("read the kernel's BTF");
    BULKHEAD_TRY_VALUE(links, open_links());
    std::vector<HookProgram> programs;
    for (const auto& [name, link] : links) {
        BULKHEAD_TRY_VALUE(program, take_over(name, link.get(), kernel.get()));
        programs.push_back(std::move(program));
    }
    for (const auto& [name, link] : links)
        std::filesystem::remove(links_directory() / name);
    detach(std::move(links));
    return programs;
}

Status unload_and_detach() {
    BULKHEAD_TRY(loader::unload());
    settle();
    return {};
}

Result<Attached> attach_all(const std::vector<const HookProgram*>& programs) {
    Attached links;
    for (const HookProgram* program : programs) {
        links.emplace_back(bpf_raw_tracepoint_open(nullptr, program->fd.get()));
        if (!links.back())
            return fail_errno("attach " + program->name);
    }
    return links;
}

Result<Attached> attach_empty(const HookProgram& program) {
    constexpr std::array<bpf_insn, 2> kReturnZero = {
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K,
                 .dst_reg = BPF_REG_0,
                 .src_reg = 0,
                 .off = 0,
                 .imm = 0},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = static_cast<bpf_attach_type>(program.attach_type);
    options.attach_btf_id = program.attach_btf_id;
    const UniqueFd empty(bpf_prog_load(static_cast<bpf_prog_type>(program.type), "bench_empty",
                                       "GPL", kReturnZero.data(), kReturnZero.size(), &options));
    if (!empty)
        return fail_errno("load an empty program for " + program.hook);
    Attached links;
    links.emplace_back(bpf_raw_tracepoint_open(nullptr, empty.get()));
    if (!links.back())
        return fail_errno("attach an empty program to " + program.hook);
    return links;
}

}  // namespace bulkhead::bench
