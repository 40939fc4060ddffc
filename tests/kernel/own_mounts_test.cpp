// What a policy gives that gives the mount family and cgroups: only what is the environment's.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/cgroup.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

constexpr int kStep = 200;  // + errno: an act failed before the one that is judged

// An environment that may mount, with the inode of its user namespace in its record.
class Mounting {
public:
    explicit Mounting(__u32 user_namespace) : environment_("mine") {
        environment_.allow(BH_CLASS_MOUNTS);
        set_user_namespace(user_namespace);
    }
    void set_user_namespace(__u32 inode) {
        bh_environment record = environment_.record();
        record.user_ns = inode;
        environment_.publish(record);
    }
    BareEnvironment& operator*() { return environment_; }

private:
    BareEnvironment environment_;
};

// Opens a file on a file system of its own, as root of the namespace; 0, an errno, or a step's.
int use_new_file_system(const UserNamespace& inside, const char* type, const std::string& place,
                        const std::string& file, int flags) {
    if (const int error = inside.enter())
        return error;
    if (::unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount(type, place.c_str(), type, 0, nullptr) != 0)
        return kStep + errno;
    return opened(::open((place + "/" + file).c_str(), flags, 0600));
}

FENCE_TEST(GivesWhatWasMountedInItsUserNamespace, "bh_file_open") {
    const UserNamespace inside;
    Tmpfs place;
    Mounting mine(inside.inode());
    const auto use = [&](const char* type) {
        return Actor::run(&*mine, [&] {
            return use_new_file_system(inside, type, place.path(), "f", O_RDWR | O_CREAT);
        });
    };
    EXPECT_EQ(use("tmpfs"), 0);
    EXPECT_EQ(use("ramfs"), 0);
    EXPECT_EQ(use("mqueue"), 0);
    mine.set_user_namespace(inside.inode() + 1);
    EXPECT_EQ(use("tmpfs"), EPERM) << "of another user namespace";
    mine.set_user_namespace(0);
    EXPECT_EQ(use("tmpfs"), EPERM) << "of nobody's";
    (*mine).allow(BH_CLASS_FILES);
    EXPECT_EQ(use("tmpfs"), 0);
}

// The user namespace has the capability; what has no hook but that is refused with the family.
FENCE_TEST(GivesTheCapabilityForMountingWithTheFamily, "bh_capable") {
    const UserNamespace inside;
    Tmpfs place;
    Mounting mine(inside.inode());
    const auto use = [&] {
        return use_new_file_system(inside, "tmpfs", place.path(), "f", O_RDWR | O_CREAT);
    };
    EXPECT_EQ(Actor::run(&*mine, use), 0);
    (*mine).refuse(BH_CLASS_MOUNTS);
    const __u64 before = (*mine).state().refused[BH_CLASS_CAPABILITIES];
    EXPECT_EQ(Actor::run(&*mine, use), EPERM);
    EXPECT_GT((*mine).state().refused[BH_CLASS_CAPABILITIES], before);
    EXPECT_EQ((*mine).last_refusal().hook, BH_HOOK_capable);
    (*mine).allow(BH_CLASS_MOUNTS);
    const auto over_the_machine = [] { return outcome(::sethostname("machine", 7)); };
    EXPECT_EQ(Actor::run(&*mine, over_the_machine), EPERM);
    EXPECT_EQ((*mine).last_refusal().class_id, BH_CLASS_CAPABILITIES);
}

// As `ip netns` and engines keep them.
FENCE_TEST(GivesNamespacesThatItBoundItself, "bh_file_open") {
    const UserNamespace inside;
    Tmpfs place;
    place.write("by-the-host");
    place.write("by-itself");
    ASSERT_EQ(
        ::mount("/proc/self/ns/uts", place.at("by-the-host").c_str(), nullptr, MS_BIND, nullptr),
        0);
    Mounting mine(inside.inode());
    (*mine).own("/proc");
    const std::string bound = place.at("by-itself");
    EXPECT_EQ(Actor::run(&*mine,
                         [&] {
                             if (const int error = inside.enter())
                                 return error;
                             if (::unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0 ||
                                 ::mount("/proc/self/ns/uts", bound.c_str(), nullptr, MS_BIND,
                                         nullptr) != 0)
                                 return kStep + errno;
                             return opened(::open(bound.c_str(), O_RDONLY));
                         }),
              0);
    const auto of_the_host = [&] {
        return opened(::open(place.at("by-the-host").c_str(), O_RDONLY));
    };
    EXPECT_EQ(Actor::run(nullptr, of_the_host), 0);
    EXPECT_EQ(Actor::run(&*mine, of_the_host), EPERM);
    EXPECT_EQ((*mine).last_refusal().class_id, BH_CLASS_FILES);
    EXPECT_EQ(::umount2(place.at("by-the-host").c_str(), MNT_DETACH), 0);
}

FENCE_TEST(GivesMountNamespacesThatWereMadeInItsUserNamespace, "bh_file_open") {
    const UserNamespace inside;
    Tmpfs shared;
    shared.write("file");
    ASSERT_EQ(::chmod(shared.at("file").c_str(), 0644), 0);
    Mounting mine(inside.inode());
    (*mine).own(shared.path(), BH_DEVICE_SHARED);
    const auto through_a_copy = [&] {
        if (const int error = inside.enter())
            return error;
        if (::unshare(CLONE_NEWNS) != 0)
            return kStep + errno;
        return opened(::open(shared.at("file").c_str(), O_RDONLY));
    };
    EXPECT_EQ(Actor::run(&*mine, through_a_copy), 0);
    EXPECT_EQ(Actor::run(&*mine, [&] { return opened(::open(shared.at("file").c_str(), 0)); }),
              EPERM)
        << "through the host's mount";
    EXPECT_EQ((*mine).last_refusal().class_id, BH_CLASS_FILES);
    mine.set_user_namespace(0);
    EXPECT_EQ(Actor::run(&*mine, through_a_copy), EPERM);
}

// Detached, made by the host or by a task that acts in its user namespace.
FENCE_TEST(RefusesToAttachWhatOthersMounted, "bh_move_mount") {
    constexpr int kCreate = 6;
    Tmpfs place;
    place.make_directory("to");
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_MOUNTS);
    mine.allow(BH_CLASS_CAPABILITIES);
    expect_refused(mine, {BH_HOOK_move_mount, BH_CLASS_FILES, EPERM}, [&] {
        const auto context = static_cast<int>(::syscall(SYS_fsopen, "tmpfs", 0));
        ::syscall(SYS_fsconfig, context, kCreate, nullptr, nullptr, 0);
        const auto mount = static_cast<int>(::syscall(SYS_fsmount, context, 0, 0));
        if (mount < 0)
            return kStep + errno;
        const int error = outcome(::syscall(SYS_move_mount, mount, "", AT_FDCWD,
                                            place.at("to").c_str(), MOVE_MOUNT_F_EMPTY_PATH));
        return error != 0 ? error : outcome(::umount2(place.at("to").c_str(), MNT_DETACH));
    });
}

FENCE_TEST(RefusesWritingToASysfsOfItsOwn, "bh_file_open") {
    const UserNamespace any;
    BareEnvironment mine("mine");
    mine.own("/sys");
    const auto write = [] { return opened(::open("/sys/class/net/lo/uevent", O_WRONLY)); };
    EXPECT_EQ(Actor::run(&mine, write), 0) << "adopted: without a user namespace";
    bh_environment record = mine.record();
    record.user_ns = any.inode();
    mine.publish(record);
    expect_refused(mine, {BH_HOOK_file_open, BH_CLASS_KERNEL_FILES, EPERM}, write);
}

class OwnCgroups {
public:
    OwnCgroups() : environment_("mine") {
        environment_.own("/sys/fs/cgroup");
        give();
    }
    void give() {
        bh_policy policy{};
        policy.flags = BH_POLICY_OWN_CGROUPS;
        put_policy(environment_, generation_of(environment_), policy);
    }
    BareEnvironment& operator*() { return environment_; }
    BareEnvironment* operator->() { return &environment_; }

private:
    BareEnvironment environment_;
};

int make_and_remove(const std::string& path) {
    const int error = outcome(::mkdir(path.c_str(), 0755));
    return error != 0 ? error : outcome(::rmdir(path.c_str()));
}

FENCE_TEST(GivesCgroupsBelowItsOwn, "bh_mkdir", "bh_rmdir") {
    OwnCgroups mine;
    const std::string below = mine->cgroup() + "/below";
    const std::string beside = std::string(runtime::kEnvironmentsCgroup) + "/beside";
    EXPECT_EQ(Actor::run(&*mine, [&] { return make_and_remove(below); }), 0);
    EXPECT_EQ(Actor::run(&*mine,
                         [&] {
                             const int error = outcome(::mkdir(below.c_str(), 0755));
                             const int deeper = make_and_remove(below + "/deeper");
                             return error != 0    ? error
                                    : deeper != 0 ? deeper
                                                  : outcome(::rmdir(below.c_str()));
                         }),
              0);
    expect_refused(*mine, {BH_HOOK_path_mkdir, BH_CLASS_CGROUPS, EPERM},
                   [&] { return make_and_remove(beside); });
    EXPECT_EQ(mine->last_refusal().object[3], std::uint64_t{BH_ACCESS_WRITE});
    mine.give();
    ASSERT_EQ(::mkdir(beside.c_str(), 0755), 0);
    EXPECT_EQ(Actor::run(&*mine, [&] { return outcome(::rmdir(beside.c_str())); }), EPERM);
    ASSERT_EQ(::rmdir(beside.c_str()), 0);
    mine->refuse(BH_CLASS_CGROUPS);  // another generation, without the row
    expect_refused(*mine, {BH_HOOK_path_mkdir, BH_CLASS_CGROUPS, EPERM},
                   [&] { return make_and_remove(below); });
    EXPECT_EQ(mine->last_refusal().object[3],
              std::uint64_t{BH_ACCESS_WRITE | BH_ACCESS_OWN_CGROUP});
}

FENCE_TEST(GivesOfItsOwnCgroupOnlyTheFilesThatFillOthers, "bh_file_open", "bh_chmod") {
    OwnCgroups mine;
    const std::string own = mine->cgroup(), below = own + "/below";
    ASSERT_EQ(::mkdir(below.c_str(), 0755), 0);
    const auto write = [&](const std::string& path) {
        return Actor::run(&*mine, [&] { return opened(::open(path.c_str(), O_WRONLY)); });
    };
    for (const char* file : {"/cgroup.procs", "/cgroup.subtree_control"})
        EXPECT_EQ(write(own + file), 0) << file;
    for (const char* file : {"/memory.max", "/pids.max", "/cpu.max", "/cgroup.freeze"})
        EXPECT_EQ(write(own + file), EPERM) << file;
    EXPECT_EQ(mine->last_refusal().class_id, BH_CLASS_CGROUPS);
    EXPECT_EQ(write(below + "/cgroup.procs"), 0);
    EXPECT_EQ(write(below + "/cgroup.freeze"), 0);
    EXPECT_EQ(write("/sys/fs/cgroup/cgroup.procs"), EPERM);
    EXPECT_EQ(write(std::string(runtime::kEnvironmentsCgroup) + "/cgroup.procs"), EPERM);
    const auto chmod = [&](const std::string& path) {
        return Actor::run(&*mine, [&] { return outcome(::chmod(path.c_str(), 0644)); });
    };
    EXPECT_EQ(chmod(below + "/cgroup.procs"), 0);
    EXPECT_EQ(chmod(own + "/memory.max"), EPERM);
    EXPECT_EQ(chmod(own), EPERM);
    EXPECT_EQ(::rmdir(below.c_str()), 0);
}

}  // namespace
}  // namespace bulkhead::tests
