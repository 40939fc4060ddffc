#include "loader/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

namespace bulkhead::loader {
namespace {

constexpr long kBpffsMagic = 0xcafe4a11;

std::string pin(std::string_view kind, std::string_view name) {
    std::string path(kPinRoot);
    path += '/';
    path += kind;
    path += '/';
    path += name;
    return path;
}

// bpffs lets only root in; that is the usual reason, and the remedy is short.
tl::unexpected<Error> fail_pin(std::string what) {
    Error error = Error::from_errno(std::move(what));
    if (error.code() != EACCES && error.code() != EPERM)
        return fail(std::move(error));
    if (::geteuid() == 0)
        return fail(std::move(error).advise(
            "they may be protected (load --protect): then only the installed bulkhead that "
            "protected them may, and its unload --force ends that"));
    return fail(std::move(error).advise("bulkhead works as root: try sudo bulkhead …"));
}

// EPROTO is how callers tell this from any other failure.
Error another_wire(const std::string& kernel_side) {
    return Error(EPROTO, "the programs in the kernel are " + kernel_side +
                             ", this bulkhead has wire version " + std::to_string(BH_WIRE_VERSION))
        .advise("stop the environments, then: bulkhead unload && bulkhead load");
}

}  // namespace

std::string map_pin(std::string_view name) {
    return pin("maps", name);
}

std::string program_pin(std::string_view name) {
    return pin("programs", name);
}

std::string link_pin(std::string_view name) {
    return pin("links", name);
}

Status check_bpffs() {
    struct statfs fs {};
    if (::statfs(std::string(kBpffs).c_str(), &fs) == 0 && fs.f_type == kBpffsMagic)
        return {};
    return fail(Error(0, std::string(kBpffs) + " is not a bpf file system", Fault::kUnsupported)
                    .advise("mount -t bpf bpf /sys/fs/bpf"));
}

Result<UniqueFd> open_pinned(const std::string& path) {
    const int fd = bpf_obj_get(path.c_str());
    if (fd < 0)
        return fail_pin("open the pin " + path);
    return UniqueFd(fd);
}

Status make_pin_directories() {
    for (const char* sub : {"", "/maps", "/programs", "/links"}) {
        const std::string path = std::string(kPinRoot) + sub;
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return fail_pin("make " + path);
    }
    return {};
}

Result<UniqueFd> lock_pins() {
    while (true) {
        UniqueFd directory(
            ::open(std::string(kPinRoot).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory)
            return fail_pin("open " + std::string(kPinRoot));
        if (::flock(directory.get(), LOCK_EX) != 0)
            return fail_errno("lock " + std::string(kPinRoot));
        // Without a name it was unloaded while this one waited, and locks nobody out.
        struct stat info {};
        if (::fstat(directory.get(), &info) != 0)
            return fail_errno("stat " + std::string(kPinRoot));
        if (info.st_nlink != 0)
            return directory;
    }
}

Status check_wire(int meta) {
    bpf_map_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(meta, &info, &bytes) != 0)
        return fail_errno("ask for the pinned bh_meta");
    if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != sizeof(__u32) ||
        info.value_size < sizeof(__u32))
        return fail(another_wire("of a shape that no bulkhead had"));
    // Whatever the version, the row begins with it; its size may be another.
    std::vector<std::byte> row(info.value_size);
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(meta, &zero, row.data()) != 0)
        return fail_errno("read the pinned bh_meta");
    __u32 version = 0;
    std::memcpy(&version, row.data(), sizeof version);
    if (version != BH_WIRE_VERSION)
        return fail(another_wire("of wire version " + std::to_string(version)));
    if (info.value_size != sizeof(bh_meta))
        return fail(another_wire("of wire version " + std::to_string(version) +
                                 " with another layout (of a build in between)"));
    return {};
}

Result<UniqueFd> program_of(int link) {
    bpf_link_info info{};
    __u32 bytes = sizeof info;
    if (bpf_obj_get_info_by_fd(link, &info, &bytes) != 0)
        return fail_errno("ask for a link");
    UniqueFd program(bpf_prog_get_fd_by_id(info.prog_id));
    if (!program)
        return fail_errno("open the program of a link");
    return program;
}

Result<MappedArray<bh_meta>> map_meta() {
    BULKHEAD_TRY_VALUE(fd, open_pinned(map_pin("bh_meta")));
    BULKHEAD_TRY(check_wire(fd.get()));
    BULKHEAD_TRY_VALUE(meta, MappedArray<bh_meta>::map(
                                 fd.get(), 1, MappedArray<bh_meta>::Access::kWrite, "bh_meta"));
    if (meta[0].next_serial == 0)
        return fail(Error(ENOENT, "the programs are being taken out of the kernel"));
    return meta;
}

Result<LoadState> load_state() {
    const auto meta = map_meta();
    if (!meta && meta.error().code() == ENOENT)
        return LoadState::kAbsent;
    if (!meta)
        return fail(Error(meta.error()));
    return LoadState::kLoaded;
}

}  // namespace bulkhead::loader
