#include "loader/pins.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

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
    return fail(std::move(error).advise("bulkhead works as root: try sudo bulkhead …"));
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
    UniqueFd directory(::open(std::string(kPinRoot).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory)
        return fail_pin("open " + std::string(kPinRoot));
    if (::flock(directory.get(), LOCK_EX) != 0)
        return fail_errno("lock " + std::string(kPinRoot));
    return directory;
}

Result<LoadState> load_state() {
    auto fd = open_pinned(map_pin("bh_meta"));
    if (!fd) {
        if (fd.error().code() == ENOENT)
            return LoadState::kAbsent;
        return fail(std::move(fd).error());
    }
    bh_meta meta{};
    const __u32 zero = 0;
    if (bpf_map_lookup_elem(fd->get(), &zero, &meta) != 0)
        return fail_errno("read the pinned bh_meta");
    if (meta.wire_version != BH_WIRE_VERSION)
        return fail(Error(0, "the programs in the kernel have wire version " +
                                 std::to_string(meta.wire_version) + ", this bulkhead has " +
                                 std::to_string(BH_WIRE_VERSION))
                        .advise("stop the environments, then: bulkhead unload && bulkhead load"));
    return LoadState::kLoaded;
}

}  // namespace bulkhead::loader
