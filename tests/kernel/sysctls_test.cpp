// Sysctls that a policy names: these and no other, and only where they are the environment's own.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/user_namespace.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

constexpr int kStep = 200;  // + errno: an act failed before the one that is judged

constexpr const char* kNames = R"(
[kernel]
sysctl = ["net.ipv4.ip_forward", "net.ipv6.conf.*", "net/ipv4/conf/lo/forwarding", "kernel.shmmax",
          "kernel.domainname"]
[mounts]
family = "allow"
)";

// With that user namespace as its own, and the machine's procfs.
class Tuned : public BareEnvironment {
public:
    Tuned(const std::string& policy, __u32 user_namespace) : BareEnvironment("mine") {
        own("/proc");
        bh_environment record = this->record();
        record.user_ns = user_namespace;
        publish(record);
        apply(policy);
    }
    void apply(const std::string& policy) {
        const auto published = publish_rules(compiled(policy).rules);
        EXPECT_TRUE(published.has_value()) << published.error().message();
    }
};

int write_to(const std::string& path) {
    return opened(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

std::string read_line(const std::string& path) {
    std::string line;
    std::getline(std::ifstream(path), line);
    return line;
}

class NamedSysctls : public testing::Test {
protected:
    // By root of the user namespace, in further namespaces made in it.
    int act(const std::function<int()>& what, int namespaces = kAll) {
        return Actor::run(&mine_, [&] {
            if (const int error = inside_.enter())
                return error;
            if (::unshare(namespaces | CLONE_NEWNS) != 0)
                return kStep + errno;
            return what();
        });
    }
    int write(const std::string& name, int namespaces = kAll) {
        return act([&] { return write_to("/proc/sys/" + name); }, namespaces);
    }

    static constexpr int kAll = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    const UserNamespace inside_;
    Tuned mine_{kNames, inside_.inode()};
};

PROVES(NamedSysctls, AreGivenAndNoOther, "bh_file_open");
TEST_F(NamedSysctls, AreGivenAndNoOther) {
    for (const char* name : {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding",
                             "net/ipv4/conf/lo/forwarding", "kernel/shmmax", "kernel/domainname"})
        EXPECT_EQ(write(name), 0) << name;
    for (const char* name :
         {"net/ipv4/ip_default_ttl", "net/ipv4/conf/all/forwarding", "kernel/shmall",
          "kernel/hostname", "kernel/core_pattern", "vm/swappiness"}) {
        const __u64 before = mine_.state().refused[BH_CLASS_SYSCTL];
        EXPECT_EQ(write(name), EPERM) << name;
        EXPECT_EQ(mine_.state().refused[BH_CLASS_SYSCTL], before + 1) << name;
        const bh_refusal row = mine_.last_refusal();
        EXPECT_EQ(row.hook, BH_HOOK_file_open);
        EXPECT_EQ(row.class_id, BH_CLASS_SYSCTL);
        EXPECT_EQ(row.rule, 1U) << "the list";
    }
    mine_.apply("[kernel]\nsysctl = []\n[mounts]\nfamily = \"allow\"\n");
    EXPECT_EQ(write("net/ipv4/ip_forward"), EPERM);
    mine_.apply("[kernel]\nsysctl = \"allow\"\n[mounts]\nfamily = \"allow\"\n");
    EXPECT_EQ(write("net/ipv4/ip_default_ttl"), 0);
    mine_.apply("mode = \"audit\"\n" + std::string(kNames));
    const __u64 audited = mine_.state().audited[BH_CLASS_SYSCTL];
    EXPECT_EQ(write("net/ipv4/ip_default_ttl"), 0);
    EXPECT_EQ(mine_.state().audited[BH_CLASS_SYSCTL], audited + 1);
}

PROVES(NamedSysctls, AreTheEnvironmentsOwn, "bh_file_open");
TEST_F(NamedSysctls, AreTheEnvironmentsOwn) {
    const std::string forwarding = "/proc/sys/net/ipv4/ip_forward";
    const std::string before = read_line(forwarding);
    EXPECT_EQ(act([&] {
                  std::ofstream(forwarding) << (before == "0" ? 1 : 0) << std::flush;
                  return read_line(forwarding) == before ? kStep : 0;
              }),
              0);
    EXPECT_EQ(read_line(forwarding), before) << "of the machine";
    EXPECT_EQ(write("net/ipv4/ip_forward", 0), EPERM) << "in the machine's network namespace";
    EXPECT_EQ(write("kernel/shmmax", CLONE_NEWNET), EPERM) << "in its IPC namespace";
    EXPECT_EQ(write("kernel/domainname", CLONE_NEWNET), EPERM) << "in its UTS namespace";
    // Its tables are the machine's, whoever goes on from there.
    const UniqueFd leaked(::open("/proc/sys/net/ipv4", O_PATH | O_DIRECTORY | O_CLOEXEC));
    EXPECT_EQ(act([&] { return opened(::openat(leaked.get(), "ip_forward", O_WRONLY)); }), EPERM);
    bh_environment record = mine_.record();
    record.user_ns = inside_.inode() + 1;
    mine_.publish(record);
    EXPECT_EQ(write("net/ipv4/ip_forward"), EPERM) << "made by another";
}

PROVES(NamedSysctls, AreTheSameOnEveryWay, "bh_file_open");
TEST_F(NamedSysctls, AreTheSameOnEveryWay) {
    Tmpfs place;
    place.make_directory("ipv4");
    place.make_directory("kernel");
    for (const char* path :
         {"/proc/self/root/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/../net/ipv4/./ip_forward",
          "/proc/sys/kernel/../net/ipv4/ip_forward"})
        EXPECT_EQ(act([&] { return write_to(path); }), 0) << path;
    for (const char* path : {"/proc/self/root/proc/sys/net/ipv4/ip_default_ttl",
                             "/proc/sys/net/core/../ipv4/ip_default_ttl",
                             "/proc/sys/net/core/../../kernel/core_pattern"})
        EXPECT_EQ(act([&] { return write_to(path); }), EPERM) << path;
    const auto bound = [&](const std::string& directory, const std::string& name) {
        return act([&] {
            const std::string here = place.at(directory == "kernel" ? "kernel" : "ipv4");
            if (::mount(("/proc/sys/" + directory).c_str(), here.c_str(), nullptr, MS_BIND,
                        nullptr) != 0)
                return kStep + errno;
            return write_to(here + "/" + name);
        });
    };
    EXPECT_EQ(bound("net/ipv4", "ip_forward"), 0);
    EXPECT_EQ(bound("net/ipv4", "ip_default_ttl"), EPERM);
    EXPECT_EQ(bound("kernel", "core_pattern"), EPERM);
}

}  // namespace
}  // namespace bulkhead::tests
