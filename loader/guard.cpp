#include "loader/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "bulkhead_guard.skel.h"

#include "loader/guard_objects.h"
#include "loader/held_links.h"
#include "loader/libbpf_log.h"
#include "loader/map_view.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

struct SkeletonDeleter {
    void operator()(bulkhead_guard* skeleton) const { bulkhead_guard__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<bulkhead_guard, SkeletonDeleter>;

constexpr std::array kMaps = {"bh_guard", "bh_guard_owned", "bh_guard_log"};
constexpr std::array kHookNames = {
#define BH_GUARD_NAME(name) #name,
    BH_GUARD_HOOKS(BH_GUARD_NAME)
#undef BH_GUARD_NAME
};

bool is_attached(const bpf_program* program) {
    return bpf_program__type(program) == BPF_PROG_TYPE_LSM;
}

Status load_programs(bulkhead_guard& skeleton) {
    if (const int error = bulkhead_guard__load(&skeleton); error != 0)
        return fail(Error(-error, "load the programs that protect: " + libbpf_log_tail(),
                          Fault::kUnsupported)
                        .advise("leave out --protect: the fence does without on this kernel"));
    return {};
}

Result<Skeleton> open_and_load(const ProtectOptions& options) {
    Skeleton skeleton(bulkhead_guard__open());
    if (!skeleton)
        return fail_errno("open the programs that protect");
    for (const std::string& name : options.leave_out) {
        bpf_program* program = bpf_object__find_program_by_name(skeleton->obj, name.c_str());
        if (program == nullptr)
            return fail_usage("no program that protects is named " + name);
        bpf_program__set_autoload(program, false);
    }
    BULKHEAD_TRY_VALUE(tasks, open_pinned(map_pin("bh_tasks")));
    if (const int error = bpf_map__reuse_fd(skeleton->maps.bh_tasks, tasks.get()); error != 0)
        return fail(Error(-error, "share the map bh_tasks"));
    BULKHEAD_TRY(load_programs(*skeleton));
    return skeleton;
}

// As the programs will see it. All zero: no such file.
Result<bh_guard_file> identify(const bulkhead_guard& skeleton, const std::string& path) {
    if (path.empty())
        return bh_guard_file{};
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT)
        return bh_guard_file{};
    if (!file)
        return fail_errno("open " + path);
    bh_guard_note note{};
    note.fd = static_cast<__u32>(file.get());
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &note, .ctx_size_in = sizeof note);
    const int program = bpf_program__fd(skeleton.progs.bh_g_note);
    if (const int error = bpf_prog_test_run_opts(program, &run); error != 0)
        return fail(Error(-error, "identify " + path));
    if (note.file.ino == 0)
        return fail(Error(ENOENT, "identify " + path));
    return note.file;
}

Result<bh_guard> describe(const bulkhead_guard& skeleton, const OurExecutables& executables) {
    bh_guard row{};
    struct stat ns {};
    if (::stat("/proc/self/ns/mnt", &ns) != 0)
        return fail_errno("look at the mount namespace");
    row.mnt_ns = static_cast<__u32>(ns.st_ino);
    const std::string root(kPinRoot);
    const std::array places = {root, root + "/maps", root + "/programs", root + "/links"};
    static_assert(places.size() == BH_GUARD_PLACES);
    for (std::size_t i = 0; i < places.size(); ++i) {
        BULKHEAD_TRY_VALUE(file, identify(skeleton, places[i]));
        row.places[i] = file;
    }
    const std::array paths = {executables.command, executables.ledger, executables.agent};
    static_assert(paths.size() == BH_GUARD_EXECUTABLES);
    for (std::size_t i = 0; i < paths.size(); ++i) {
        BULKHEAD_TRY_VALUE(file, identify(skeleton, paths[i]));
        row.executables[i] = file;
    }
    return row;
}

using Link = std::unique_ptr<bpf_link, int (*)(bpf_link*)>;

Result<Link> attach(const bpf_program* program) {
    Link link(bpf_program__attach(program), bpf_link__destroy);
    if (!link)
        return fail(Error::from_errno("attach " + std::string(bpf_program__name(program)) + " to " +
                                      bpf_program__section_name(program))
                        .advise("leave out --protect: the fence does without"));
    return link;
}

Status attach_and_pin(const bulkhead_guard& skeleton) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        if (!bpf_program__autoload(program) || !is_attached(program))
            continue;
        const std::string name = bpf_program__name(program);
        BULKHEAD_TRY_VALUE(link, attach(program));
        if (bpf_link__pin(link.get(), link_pin(name).c_str()) != 0)
            return fail_errno("pin the link of " + name);
    }
    for (const char* name : kMaps) {
        const int map = bpf_object__find_map_fd_by_name(skeleton.obj, name);
        if (bpf_obj_pin(map, map_pin(name).c_str()) != 0)
            return fail_errno(std::string("pin the map ") + name);
    }
    return {};
}

Status store(const bulkhead_guard& skeleton, bh_guard row, __u32 armed) {
    const __u32 zero = 0;
    row.armed = armed;
    if (bpf_map_update_elem(bpf_map__fd(skeleton.maps.bh_guard), &zero, &row, BPF_ANY) != 0)
        return fail_errno("write bh_guard");
    return {};
}

Status install(const ProtectOptions& options) {
    BULKHEAD_TRY_VALUE(skeleton, open_and_load(options));
    BULKHEAD_TRY_VALUE(row, describe(*skeleton, options.executables));
    BULKHEAD_TRY(attach_and_pin(*skeleton));
    BULKHEAD_TRY(own_all_pinned(bpf_map__fd(skeleton->maps.bh_guard_owned)));
    BULKHEAD_TRY(store(*skeleton, row, 0));
    return store(*skeleton, row, 1);
}

Result<bool> is_armed() {
    const auto map = open_pinned_map<__u32, bh_guard>("bh_guard");
    if (!map && map.error().code() == ENOENT)
        return false;
    if (!map)
        return fail(Error(map.error()));
    BULKHEAD_TRY_VALUE(row, map->find(0));
    return row && row->armed != 0;
}

Status disarm() {
    const auto map = open_pinned_map<__u32, bh_guard>("bh_guard");
    if (!map && map.error().code() == ENOENT)
        return {};
    if (!map)
        return fail(Error(map.error()));
    return map->put(0, bh_guard{});
}

// Of whatever is there.
Status remove_programs() {
    BULKHEAD_TRY(disarm());
    std::vector<HeldLink> links;
    for (const std::string& name : guard_program_names()) {
        if (auto link = hold_link(link_pin(name)))
            links.push_back(std::move(*link));
        ::unlink(link_pin(name).c_str());
    }
    for (const char* name : kMaps)
        ::unlink(map_pin(name).c_str());
    return drop(std::move(links));
}

}  // namespace

Result<ProtectOutcome> protect(const ProtectOptions& options) {
    keep_libbpf_log();
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    BULKHEAD_TRY_VALUE(armed, is_armed());
    if (armed)
        return ProtectOutcome::kAlreadyProtected;
    BULKHEAD_TRY(remove_programs());
    if (auto done = install(options); !done) {
        BULKHEAD_TRY(remove_programs());
        return fail(std::move(done).error());
    }
    return ProtectOutcome::kProtected;
}

Status try_to_protect() {
    keep_libbpf_log();
    const Skeleton skeleton(bulkhead_guard__open());
    if (!skeleton)
        return fail_errno("open the programs that protect");
    BULKHEAD_TRY(load_programs(*skeleton));
    std::vector<Link> links;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        if (!is_attached(program))
            continue;
        BULKHEAD_TRY_VALUE(link, attach(program));
        links.push_back(std::move(link));
    }
    return {};
}

Result<bool> is_protected() {
    return is_armed();
}

Status unprotect() {
    auto lock = lock_pins();
    if (!lock && lock.error().code() == ENOENT)
        return {};
    if (!lock)
        return fail(std::move(lock).error());
    return remove_programs();
}

Result<bh_guard_log> read_guard_log() {
    const auto map = open_pinned_map<__u32, bh_guard_log>("bh_guard_log");
    if (!map)
        return fail(Error(map.error()));
    BULKHEAD_TRY_VALUE(log, map->find(0));
    return log ? *log : bh_guard_log{};
}

const char* guard_hook_name(unsigned hook) {
    return hook < kHookNames.size() ? kHookNames.at(hook) : "?";
}

std::vector<std::string> guard_program_names() {
    keep_libbpf_log();
    std::vector<std::string> names;
    const Skeleton skeleton(bulkhead_guard__open());
    if (!skeleton)
        return names;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton->obj) {
        if (is_attached(program))
            names.emplace_back(bpf_program__name(program));
    }
    return names;
}

}  // namespace bulkhead::loader
