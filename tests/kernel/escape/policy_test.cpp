// What a policy gives only in part, and what it takes back: sysctls, ioctls, files that are open.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/tree_fixtures.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kSysctls = "sysctls";
constexpr const char* kIoctls = "ioctls";
constexpr const char* kRevoked = "revoked files";
constexpr const char* kProcLock = "user and network namespace; read-only /proc/sys";
constexpr const char* kLeakLock = "none once it leaked in; the start closes all descriptors";
constexpr const char* kOpenLock = "none: it was given before";

void apply(BareEnvironment& environment, const std::string& policy) {
    const auto published = environment.publish_rules(compiled(policy).rules);
    ASSERT_TRUE(published.has_value()) << published.error().message();
}

std::string first_line(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

// The policy gives net.ipv4.ip_forward of the environment's own network namespace.
void expect_machine_kept(const Technique& technique, const std::string& name,
                         const std::string& value) {
    const std::string path = "/proc/sys/" + name, kept = first_line(path);
    BareEnvironment mine("mine");
    mine.own("/proc");
    apply(mine, "[kernel]\nsysctl = [\"net.ipv4.ip_forward\"]\n");
    expect_stopped(technique, mine,
                   {.act =
                        [&] {
                            const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
                            return file ? outcome(::write(file.get(), value.data(), value.size()))
                                        : errno;
                        },
                    .object = name.substr(name.rfind('/') + 1),
                    .effect = [&] { return first_line(path) == value; },
                    .undo = [&] { std::ofstream(path) << kept << "\n"; }});
}

ESCAPE(SysctlOfTheMachine, kSysctls, "a sysctl that the policy gives, of the machine's own network",
       kProcLock, {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    const std::string now = first_line("/proc/sys/net/ipv4/ip_forward");
    expect_machine_kept(technique, "net/ipv4/ip_forward", now == "0" ? "1" : "0");
}

ESCAPE(SysctlBeside, kSysctls, "a sysctl in the directory of one that the policy gives", kProcLock,
       {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    expect_machine_kept(technique, "net/ipv4/ip_default_ttl", "33");
}

ESCAPE(SysctlOfMemory, kSysctls, "the machine's memory: vm.overcommit_memory", kProcLock,
       {{BH_HOOK_file_open, BH_CLASS_SYSCTL}}) {
    const std::string now = first_line("/proc/sys/vm/overcommit_memory");
    expect_machine_kept(technique, "vm/overcommit_memory", now == "0" ? "1" : "0");
}

// A terminal's master that leaked in open, of a kind that the policy's list does not have.
void expect_unlocked(const Technique& technique, const std::function<int(int)>& lock) {
    const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    const auto set = [&](int value) { return outcome(::ioctl(master.get(), TIOCSPTLCK, &value)); };
    ASSERT_EQ(set(0), 0);
    BareEnvironment mine("mine");
    apply(mine, "[kernel]\nioctl = [\"other\"]\n");
    expect_stopped(technique, mine,
                   {.act = [&] { return lock(master.get()); },
                    .object = "ioctl 0x40045431",
                    .effect =
                        [&] {
                            int locked = 0;
                            return ::ioctl(master.get(), TIOCGPTLCK, &locked) == 0 && locked != 0;
                        },
                    .undo = [&] { set(0); }});
}

ESCAPE(IoctlOfAnotherKind, kIoctls,
       "an ioctl on a leaked device of a kind that the policy leaves out", kLeakLock,
       {{BH_HOOK_file_ioctl, BH_CLASS_DEVICES}}) {
    expect_unlocked(technique, [](int fd) {
        const int on = 1;
        return outcome(::ioctl(fd, TIOCSPTLCK, &on));
    });
}

#ifdef __x86_64__
ESCAPE(IoctlOfAnotherKindOf32Bits, kIoctls, "the same ioctl through a 32-bit system call",
       kLeakLock,
       {{BH_HOOK_file_ioctl_compat, BH_CLASS_DEVICES}, {BH_HOOK_file_ioctl, BH_CLASS_DEVICES}}) {
    expect_unlocked(technique, [](int fd) {
        constexpr int kIoctlOf32Bits = 54;
        auto* on = static_cast<int*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
        *on = 1;
        int result = kIoctlOf32Bits;
        asm volatile("int $0x80"
                     : "+a"(result)
                     : "b"(fd), "c"(TIOCSPTLCK), "d"(on)
                     : "memory", "r8", "r9", "r10", "r11");
        return -result;
    });
}
#endif

// A file that was opened for reading and writing before the rules gave nothing of it.
class Revoked {
public:
    Revoked() {
        fill_directory(place_, "closed");
        file_ = UniqueFd(::open(place_.at("closed/file").c_str(), O_RDWR | O_CLOEXEC));
        EXPECT_EQ(::ftruncate(file_.get(), 1), 0);
    }
    [[nodiscard]] int file() const { return file_.get(); }
    [[nodiscard]] bool is_changed() const {
        char byte = 0;
        return ::pread(file_.get(), &byte, 1, 0) == 1 && byte != 0;
    }
    void put_back() const { EXPECT_EQ(::pwrite(file_.get(), "", 1, 0), 1); }

    void expect_closed(const Technique& technique, Attack attack) const {
        Ruled mine(place_, {{"closed", 0, 1, BH_NODE_REVOKES}});
        bh_environment record = mine.record();
        record.flags |= BH_ENV_REVOKES;
        mine.publish(record);
        attack.object = "closed/file";
        expect_stopped(technique, mine, attack);
    }

private:
    Tmpfs place_;
    UniqueFd file_;
};

ESCAPE(RevokedWrite, kRevoked, "written through a descriptor from before", kOpenLock,
       {{BH_HOOK_file_permission, BH_CLASS_PATHS}}) {
    const Revoked revoked;
    revoked.expect_closed(technique,
                          {.act = [&] { return outcome(::pwrite(revoked.file(), "x", 1, 0)); },
                           .effect = [&] { return revoked.is_changed(); },
                           .undo = [&] { revoked.put_back(); }});
}

ESCAPE(RevokedRead, kRevoked, "read through a descriptor from before", kOpenLock,
       {{BH_HOOK_file_permission, BH_CLASS_PATHS}}) {
    const Revoked revoked;
    revoked.expect_closed(technique, {.act = [&] {
                              char byte = 0;
                              return outcome(::pread(revoked.file(), &byte, 1, 0));
                          }});
}

ESCAPE(RevokedMap, kRevoked, "mapped from a descriptor from before, and written there", kOpenLock,
       {{BH_HOOK_mmap_file, BH_CLASS_PATHS}}) {
    const Revoked revoked;
    revoked.expect_closed(technique, {.act =
                                          [&] {
                                              void* at = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE,
                                                                MAP_SHARED, revoked.file(), 0);
                                              if (at == MAP_FAILED)
                                                  return errno;
                                              *static_cast<char*>(at) = 'x';
                                              return outcome(::munmap(at, 1));
                                          },
                                      .effect = [&] { return revoked.is_changed(); },
                                      .undo = [&] { revoked.put_back(); }});
}

ESCAPE(RevokedPassed, kRevoked, "sent to another process inside (SCM_RIGHTS)", kOpenLock,
       {{BH_HOOK_file_receive, BH_CLASS_PATHS}}) {
    const Revoked revoked;
    revoked.expect_closed(technique, {.act = [&] { return receive(revoked.file()); },
                                      .passing = {BH_CLASS_DESCRIPTORS}});
}

}  // namespace
}  // namespace bulkhead::tests
