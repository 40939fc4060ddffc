// What people are told about a policy: explain, diff and show say what the rows say.
#include "runtime/policy/decide.h"
#include "runtime/policy/diff.h"
#include "runtime/policy/schema.h"
#include "runtime/policy/show.h"
#include "tests/unit/json_print.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

using policy::Policy;

std::string explained(const Policy& policy, const std::string& act, const std::string& object) {
    const auto decision = policy::decide_act(policy, act, object);
    return decision ? policy::describe(policy, *decision) : decision.error().message();
}

const char* const kServer = R"(extends = "minimal"
[files]
write = ["/var/lib/x"]
refuse = ["/etc/ssl"]
[network]
allow = ["10.0.0.0/8:443/tcp"]
listen = ["tcp/80"]
)";

TEST(PolicyExplain, KnowsTheDevicesThatAreAllowed) {
    const Policy policy = compiled("[files]\nallow_devices = [\"/dev/fuse\"]\n");
    EXPECT_EQ(explained(policy, "device", "/dev/fuse"),
              "allowed by p.toml:2:18: [files] allow_devices \"/dev/fuse\"");
    EXPECT_EQ(explained(policy, "device", "/dev/kvm"), "refused by class devices");
}

TEST(PolicyExplain, KnowsOwnCgroups) {
    const Policy policy = compiled("[kernel]\ncgroups = \"own\"\n");
    EXPECT_EQ(policy.rules.policy.flags, BH_POLICY_OWN_CGROUPS);
    EXPECT_TRUE(policy.rules.has_rows()) << "the flag is in a row";
    EXPECT_EQ(explained(policy, "cgroup", "own"),
              "allowed by p.toml:2:11: [kernel] cgroups \"own\"");
    EXPECT_EQ(explained(policy, "class", "cgroups"), "refused by class cgroups");
    EXPECT_EQ(explained(compiled(""), "cgroup", "own"), "refused by class cgroups");
    EXPECT_EQ(explained(compiled("[kernel]\ncgroups = \"refuse\"\n"), "cgroup", "own"),
              "refused by class cgroups");
}

TEST(PolicyExplain, KnowsTheSysctlsThatAreNamed) {
    const Policy policy = compiled("[kernel]\nsysctl = [\"net.core.*\", \"kernel.shmmax\"]\n");
    EXPECT_TRUE(policy.rules.has_rows());
    EXPECT_TRUE(policy.rules.gives_sysctls());
    for (const char* name : {"net.core.somaxconn", "net/core/somaxconn", "net.core.a.b"})
        EXPECT_EQ(explained(policy, "sysctl", name),
                  "allowed by p.toml:2:11: [kernel] sysctl \"net.core.*\"");
    EXPECT_EQ(explained(policy, "sysctl", "kernel.shmmax"),
              "allowed by p.toml:2:25: [kernel] sysctl \"kernel.shmmax\"");
    for (const char* name : {"net.core", "net.ipv4.ip_forward", "kernel.core_pattern", "net.*"})
        EXPECT_EQ(explained(policy, "sysctl", name), "refused by p.toml:2:1: [kernel] sysctl");
    EXPECT_FALSE(compiled("").rules.gives_sysctls());
    EXPECT_FALSE(compiled("[kernel]\nsysctl = []\n").rules.gives_sysctls());
    EXPECT_TRUE(compiled("[kernel]\nsysctl = \"allow\"\n").rules.gives_sysctls());
    EXPECT_EQ(explained(compiled("[kernel]\nsysctl = \"allow\"\n"), "sysctl", "kernel.x"),
              "allowed by p.toml:2:10: [kernel] sysctl \"allow\"");
}

TEST(PolicyExplain, KnowsFuseAndTheKindsOfDevices) {
    const Policy policy = compiled("[kernel]\nfuse = \"allow\"\nioctl = [\"fuse\", \"tun\"]\n");
    EXPECT_EQ(explained(policy, "device", "/dev/fuse"),
              "allowed by p.toml:2:8: [kernel] fuse \"allow\"");
    EXPECT_EQ(explained(policy, "ioctl", "tun"), "allowed by p.toml:3:1: [kernel] ioctl");
    EXPECT_EQ(explained(policy, "ioctl", "block"), "refused by p.toml:3:1: [kernel] ioctl");
    EXPECT_EQ(policy.rules.demand_flags(), __u32{BH_ENV_IOCTLS});
    EXPECT_EQ(explained(compiled(""), "ioctl", "block"), "allowed: no rule refuses it");
    EXPECT_EQ(
        explained(compiled(""), "ioctl", "tty"),
        "\"tty\" is no kind of device\n  kinds are terminal, tun, block, loop, gpu, kvm, fuse, "
        "input, sound, other");
}

TEST(PolicyExplain, NamesTheRuleWithFileAndLine) {
    const Policy policy = compiled(kServer);
    EXPECT_EQ(explained(policy, "open-write", "/var/lib/x/y"),
              "allowed by p.toml:3:10: [files] write \"/var/lib/x\"");
    EXPECT_EQ(explained(policy, "open-write", "/etc/passwd"),
              "refused by profile minimal:4:11: [files] default \"read\"");
    EXPECT_EQ(explained(policy, "open-read", "/etc/ssl/cert.pem"),
              "refused by p.toml:4:11: [files] refuse \"/etc/ssl\"");
    EXPECT_EQ(explained(policy, "open-read", "/etc/sslx"),
              "allowed by profile minimal:4:11: [files] default \"read\"");
    EXPECT_EQ(explained(policy, "exec", "/usr/bin/x"),
              "allowed by profile minimal:6:12: [files] execute \"/usr\"");
    EXPECT_EQ(explained(policy, "exec", "/tmp/x"),
              "refused by profile minimal:6:1: [files] execute");
    EXPECT_EQ(explained(policy, "connect", "10.0.0.1:443/tcp"),
              "allowed by p.toml:6:10: [network] allow \"10.0.0.0/8:443/tcp\"");
    EXPECT_EQ(explained(policy, "connect", "10.0.0.1:80/tcp"),
              "refused by profile minimal:10:11: [network] default \"refuse\"");
    EXPECT_EQ(explained(policy, "listen", "tcp/80"),
              "allowed by p.toml:7:11: [network] listen \"tcp/80\"");
    EXPECT_EQ(explained(policy, "listen", "tcp/81"), "refused by p.toml:7:1: [network] listen");
    EXPECT_EQ(explained(policy, "capability", "net_raw"),
              "refused by profile minimal:24:1: [capabilities] keep");
    EXPECT_EQ(explained(policy, "class", "bpf"), "refused by class bpf");
}

TEST(PolicyExplain, SaysWhatIsOnlyRecorded) {
    const Policy policy = compiled("[files]\nmode = \"audit\"\ndefault = \"read\"\n");
    EXPECT_EQ(explained(policy, "open-write", "/x"),
              "refused by p.toml:3:11: [files] default \"read\"; only recorded, as the mode is "
              "audit");
    EXPECT_EQ(explained(policy, "listen", "80"), "allowed: no rule refuses it");
}

TEST(PolicyExplain, AnActThatIsNoneIsAMistake) {
    const Policy policy = compiled("");
    EXPECT_NE(explained(policy, "open", "/x").find("\"open\" is no act\n  acts are open-read"),
              std::string::npos);
    EXPECT_NE(explained(policy, "open-read", "x").find("is no path"), std::string::npos);
    EXPECT_NE(explained(policy, "connect", "host").find("is no address"), std::string::npos);
    EXPECT_NE(explained(policy, "class", "pref").find("did you mean \"perf\"?"), std::string::npos);
}

std::vector<std::string> acts(const std::vector<policy::Difference>& list) {
    std::vector<std::string> names;
    names.reserve(list.size());
    for (const policy::Difference& one : list)
        names.push_back(one.act);
    return names;
}

using Acts = std::vector<std::string>;

TEST(PolicyDiff, TheSameSaidInAnotherWayIsNoDifference) {
    const Policy one = compiled(
        "[files]\ndefault = \"read\"\nwrite = [\"/a\", \"/b\"]\n[network]\nlisten = [\"80-90\"]\n");
    const Policy other = compiled(
        "[network]\nlisten = [\"80-85\", \"86-90\"]\n[files]\nwrite = [\"/b\", \"/a\"]\ndefault = "
        "\"read\"\nread = [\"/a/c\"]\n");
    const auto differences = policy::compare(one, other);
    EXPECT_EQ(acts(differences.second_only), Acts{});
    EXPECT_EQ(acts(differences.first_only), (Acts{"open-write /a/c", "open-append /a/c"}));
}

TEST(PolicyDiff, NamesATreeOnceWithItsExceptions) {
    const Policy one = compiled("[files]\ndefault = \"read\"\nrefuse = [\"/srv/key\"]\n");
    const Policy other = compiled("[files]\nrefuse = [\"/srv/key\"]\n");
    const auto differences = policy::compare(one, other);
    EXPECT_EQ(acts(differences.first_only), Acts{});
    EXPECT_EQ(acts(differences.second_only),
              (Acts{"open-write /", "open-append /", "but not open-write /srv/key",
                    "but not open-append /srv/key"}));
    EXPECT_EQ(differences.second_only[0].by_first, "p.toml:2:11: [files] default \"read\"");
}

TEST(PolicyDiff, AddressesPortsAndCapabilities) {
    const Policy one = compiled(
        "[network]\ndefault = \"refuse\"\nallow = [\"10.0.0.0/8:443/tcp\"]\nlisten = "
        "[\"tcp/80\"]\n[capabilities]\nkeep = [\"chown\"]\n");
    const Policy other = compiled(
        "[network]\ndefault = \"refuse\"\nallow = [\"10.0.0.0/8:80-443/tcp\"]\nlisten = []\n"
        "[capabilities]\nkeep = [\"kill\"]\n[kernel]\nbpf = \"allow\"\n");
    const auto differences = policy::compare(one, other);
    EXPECT_EQ(acts(differences.first_only), (Acts{"listen tcp/80", "capability cap_chown"}));
    EXPECT_EQ(acts(differences.second_only),
              (Acts{"class bpf", "connect 10.0.0.0/8:80-442/tcp", "capability cap_kill"}));
}

TEST(PolicyDiff, ModesAreNotActs) {
    const auto differences = policy::compare(compiled(""), compiled("mode = \"audit\"\n"));
    EXPECT_EQ(differences.modes, Acts{"mode: enforce, audit"});
    EXPECT_FALSE(differences.empty());
}

TEST(PolicyShow, WhatIsShownSaysTheSame) {
    const Policy policy = compiled(std::string(kServer) +
                                   "[processes]\nptrace = \"allow\"\n[capabilities]\nkeep = "
                                   "[\"chown\"]\n");
    const std::string text = policy::effective_text(policy);
    const auto differences = policy::compare(policy, compiled(text));
    EXPECT_TRUE(differences.empty()) << text;
    EXPECT_NE(text.find("# p.toml:3\n"), std::string::npos) << text;
    EXPECT_NE(text.find("# profile minimal:4\n"), std::string::npos) << text;
    EXPECT_EQ(text.find("extends"), std::string::npos) << text;
}

TEST(PolicySchema, KnowsEveryKey) {
    const auto schema = Json::parse(policy::json_schema());
    ASSERT_TRUE(schema) << schema.error().message();
    for (const policy::KeyInfo& info : policy::keys()) {
        const std::string section(policy::section_name(info.section));
        const auto& properties = section.empty() ? (*schema)["properties"]
                                                 : (*schema)["properties"][section]["properties"];
        EXPECT_TRUE(properties.contains(info.name)) << policy::key_title(info);
        EXPECT_NE(policy::reference().find("| `" + std::string(info.name) + "` |"),
                  std::string::npos);
    }
}

}  // namespace
}  // namespace bulkhead::tests
