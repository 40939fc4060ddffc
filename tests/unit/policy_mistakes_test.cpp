// What is said about a policy that is wrong: each sentence once, with its place.
#include <ostream>

#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

struct Wrong {
    const char* text;
    const char* said;  // in full, or its beginning up to an ellipsis of the test's own: "…"

    // For the name of the case.
    friend std::ostream& operator<<(std::ostream& out, const Wrong& wrong) {
        return out << wrong.said;
    }
};

class PolicyMistake : public testing::TestWithParam<Wrong> {};

TEST_P(PolicyMistake, IsNamedWithItsPlace) {
    std::string expected = GetParam().said;
    std::string said = mistakes_of(GetParam().text);
    if (expected.ends_with("…")) {
        expected.resize(expected.size() - std::string("…").size());
        said.resize(std::min(said.size(), expected.size()));
    }
    EXPECT_EQ(said, expected);
}

const Wrong kLanguage[] = {
    {"description = \"é\" # é\nmodé = 1\n",
     "p.toml:2:4: this is not TOML: letters beyond ASCII stand in quotes or comments only"},
    {"mode = \"audit\"\n[files]\nread = [\n  3=\"é\"]\n",
     "p.toml:4:6: this is not TOML: letters beyond ASCII stand in quotes or comments only"},
    {"description = \"\"\"\"x\"\"\"\"é\n",
     "p.toml:1:24: this is not TOML: letters beyond ASCII stand in quotes or comments only"},
    {"mode = ", "p.toml:1:8: this is not TOML: …"},
    {"mode = \"audit\"\nallwo = []\n",
     "p.toml:2:1: there is no key allwo; did you mean \"allow\"?"},
    {"[flies]\n", "p.toml:1:2: there is no section flies; did you mean \"files\"?"},
    {"[bpf]\n", "p.toml:1:2: there is no section bpf…"},
    {"[icp]\n", "p.toml:1:2: there is no section icp; did you mean \"ipc\"?"},
    {"files = 1\n", "p.toml:1:1: files is a section: write [files] on a line of its own"},
    {"[files]\nraed = []\n", "p.toml:2:1: [files] has no key raed; did you mean \"read\"?"},
    {"[files]\nread = \"/etc\"\n", "p.toml:2:8: [files] read is a list: [\"…\"]"},
    {"[files]\nread = [1]\n", "p.toml:2:9: [files] read: a text in quotes is expected"},
    {"mode = \"lax\"\n",
     "p.toml:1:8: mode cannot be \"lax\", only \"enforce\", \"audit\", \"learn\""},
    {"[files]\ndefault = \"raed\"\n",
     "p.toml:2:11: [files] default cannot be \"raed\", only \"read-write\", \"read\", "
     "\"refuse\"; did you mean \"read\"?"},
    {"[files]\nread = [\"/a\\u0000b\"]\n",
     "p.toml:2:9: [files] read: a text cannot have a zero byte"},
    {"extends = \"wbe\"\n",
     "p.toml:1:11: no profile is named \"wbe\"; did you mean \"web\"?\n  profiles are agent, "
     "audit, ci-job, default, distro, learn, minimal, nested, web"},
    {"mode = \"lax\"\n[files]\nraed = []\n",
     "p.toml:1:8: mode cannot be \"lax\", only \"enforce\", \"audit\", \"learn\"\np.toml:3:1: "
     "[files] has no "
     "key raed; did you mean \"read\"?"},
};
INSTANTIATE_TEST_SUITE_P(Language, PolicyMistake, testing::ValuesIn(kLanguage));

const Wrong kClasses[] = {
    {"allow = [\"pref\"]\n", "p.toml:1:10: no class is named \"pref\"; did you mean \"perf\"?"},
    {"allow = [\"egress\"]\n",
     "p.toml:1:10: allow \"egress\" changes nothing: no rule refuses this class"},
    {"allow = [\"bpf\", \"bpf\"]\n",
     "p.toml:1:17: allow \"bpf\" changes nothing: p.toml:1:10: allow \"bpf\" allows it already"},
    {"allow = [\"bpf\"]\n[kernel]\nbpf = \"refuse\"\n",
     "p.toml:1:10: allow \"bpf\" contradicts p.toml:3:7: [kernel] bpf \"refuse\": leave one of "
     "them out"},
    {"mode = \"audit\"\n[kernel]\nmode = \"enforce\"\n",
     "p.toml:3:8: a section cannot enforce while the policy audits: write mode = \"enforce\" at "
     "the top, and mode = \"audit\" in the sections that only record"},
    {"[files]\nmode = \"audit\"\n",
     "p.toml:2:8: [files] mode changes nothing: the section refuses nothing"},
    {"[capabilities]\nkeep = [\"CAP_NET_RAV\"]\n",
     "p.toml:2:9: no capability is named \"CAP_NET_RAV\"; did you mean \"net_raw\"?"},
    {"[capabilities]\nkeep = [\"chown\", \"CAP_CHOWN\"]\n",
     "p.toml:2:18: \"CAP_CHOWN\" stands in this list already"},
};
INSTANTIATE_TEST_SUITE_P(Classes, PolicyMistake, testing::ValuesIn(kClasses));

const Wrong kKernel[] = {
    {"[kernel]\nsysctl = [\"kernel.core_pattern\"]\n",
     "p.toml:2:11: [kernel] sysctl: kernel.core_pattern is the machine's: cannot be allowed"},
    {"[kernel]\nsysctl = [\"kernel.shmmx\"]\n",
     "p.toml:2:11: [kernel] sysctl: kernel.shmmx is the machine's: cannot be allowed; did you mean "
     "\"kernel.shmmax\"?"},
    {"[kernel]\nsysctl = [\"vm.*\"]\n",
     "p.toml:2:11: [kernel] sysctl: vm.* has sysctls that are the machine's: name one by one those "
     "that are not"},
    {"[kernel]\nsysctl = [\"*\"]\n",
     "p.toml:2:11: [kernel] sysctl: \"*\" is all that the machine has: write sysctl = \"allow\""},
    {"[kernel]\nsysctl = [\"net.*.forwarding\"]\n",
     "p.toml:2:11: [kernel] sysctl: \"net.*.forwarding\" is no sysctl's name: write it as "
     "sysctl(8) "
     "does, \"net.ipv4.ip_forward\", or \"net.ipv4.*\" for all beneath"},
    {"[kernel]\nsysctl = [\"net/ipv4/../x\"]\n",
     "p.toml:2:11: [kernel] sysctl: \"net/ipv4/../x\" is no sysctl's name: write it as sysctl(8) "
     "does, \"net.ipv4.ip_forward\", or \"net.ipv4.*\" for all beneath"},
    {"[kernel]\nsysctl = [\"net.*\", \"net.ipv4.ip_forward\"]\n",
     "p.toml:2:20: [kernel] sysctl \"net.ipv4.ip_forward\" changes nothing: p.toml:2:11: [kernel] "
     "sysctl \"net.*\" gives it already"},
    {"allow = [\"sysctl\"]\n[kernel]\nsysctl = [\"net.*\"]\n",
     "p.toml:1:10: allow \"sysctl\" contradicts p.toml:3:1: [kernel] sysctl: leave one of them "
     "out"},
    {"[kernel]\nsysctl = \"alow\"\n",
     "p.toml:2:10: [kernel] sysctl cannot be \"alow\", only \"allow\", \"refuse\"; did you mean "
     "\"allow\"?"},
    {"[kernel]\nsysctl = 1\n",
     "p.toml:2:10: [kernel] sysctl: a text in quotes or a list of them is expected"},
    {"[kernel]\nioctl = [\"tty\"]\n",
     "p.toml:2:10: [kernel] ioctl cannot be \"tty\", only \"terminal\", \"tun\", \"block\", "
     "\"loop\", \"gpu\", \"kvm\", \"fuse\", \"input\", \"sound\", \"other\""},
    {"[kernel]\nioctl = [\"tun\", \"tun\"]\n", "p.toml:2:17: \"tun\" stands in this list already"},
    {"allow = [\"devices\"]\n[kernel]\nioctl = [\"tun\"]\n",
     "p.toml:3:1: [kernel] ioctl changes nothing: p.toml:1:10: allow \"devices\" allows all that "
     "is done with devices"},
    {"[files]\nallow_devices = [\"/dev/fuse\"]\n[kernel]\nfuse = \"allow\"\n",
     "p.toml:4:8: [kernel] fuse changes nothing: p.toml:2:18: [files] allow_devices \"/dev/fuse\" "
     "gives it already"},
    {"[files]\nallow_devices = [\"/dev/fuse\"]\n[kernel]\nfuse = \"refuse\"\n",
     "p.toml:4:8: [kernel] fuse \"refuse\" contradicts p.toml:2:18: [files] allow_devices "
     "\"/dev/fuse\": leave one of them out"},
    {"allow = [\"devices\"]\n[kernel]\nfuse = \"allow\"\n",
     "p.toml:3:8: [kernel] fuse changes nothing: p.toml:1:10: allow \"devices\" allows all "
     "devices"},
    {"[files]\nrevoke = \"open-files\"\n",
     "p.toml:2:10: [files] revoke changes nothing: no rule refuses a path; write default, refuse "
     "or "
     "execute beside it"},
};
INSTANTIATE_TEST_SUITE_P(Kernel, PolicyMistake, testing::ValuesIn(kKernel));

const Wrong kFiles[] = {
    {"[files]\nrefuse = [\"etc\"]\n",
     "p.toml:2:11: \"etc\": a path begins with /; it is the environment's own"},
    {"[files]\nrefuse = [\"/etc/\"]\n",
     "p.toml:2:11: \"/etc/\": a path has no // and no / at its end"},
    {"[files]\nrefuse = [\"/a/../b\"]\n",
     "p.toml:2:11: \"/a/../b\": a path has no . and no ..: write where it leads"},
    {"[files]\nrefuse = [\"/a/*\"]\n",
     "p.toml:2:11: \"/a/*\": there are no patterns: a path means all beneath it"},
    {"[files]\nrefuse = [\"/\"]\n",
     "p.toml:2:11: the root itself is what [files] default says: \"read-write\", \"read\" or "
     "\"refuse\""},
    {"[files]\nexecute = [\"/\"]\n",
     "p.toml:2:12: execute \"/\" refuses nothing: leave the key execute out"},
    {"[files]\nexecute = []\n",
     "p.toml:2:1: [files] execute = [] lets nothing run, not even the first program: name the "
     "directories of programs and libraries"},
    {"[files]\nrefuse = [\"/a\", \"/a\"]\n",
     "p.toml:2:17: \"/a\" stands in this list already, at p.toml:2:11"},
    {"[files]\nrefuse = [\"/a\"]\nread = [\"/a\"]\n",
     "p.toml:3:9: \"/a\" is in [files] read and in [files] refuse (p.toml:2:11): keep the one "
     "that is meant"},
    {"[files]\nrefuse = [\"/a\"]\nexecute = [\"/a\", \"/b\"]\n",
     "p.toml:3:12: \"/a\" is in [files] execute and in [files] refuse (p.toml:2:11): keep the one "
     "that is meant"},
    {"[files]\nwrite = [\"/a\"]\n",
     "p.toml:2:10: [files] write \"/a\" changes nothing: [files] default is \"read-write\""},
    {"[files]\nrefuse = [\"/a\", \"/a/b\"]\n",
     "p.toml:2:17: [files] refuse \"/a/b\" changes nothing: p.toml:2:11: [files] refuse \"/a\" "
     "gives the same"},
    {"[files]\nallow_devices = [\"fuse\"]\n",
     "p.toml:2:18: \"fuse\": a device is named by its node on this machine, such as "
     "\"/dev/fuse\""},
    {"[files]\nallow_devices = [\"/dev/../etc\"]\n",
     "p.toml:2:18: \"/dev/../etc\": a path has no //, no . and .., and no / at its end"},
    {"[files]\nallow_devices = [\"/dev/null\"]\n",
     "p.toml:2:18: \"/dev/null\": every environment has it"},
    {"[files]\nallow_devices = [\"/dev/kvm\", \"/dev/kvm\"]\n",
     "p.toml:2:30: \"/dev/kvm\" stands in this list already"},
    {"allow = [\"cgroups\"]\n[kernel]\ncgroups = \"own\"\n",
     "p.toml:3:11: [kernel] cgroups changes nothing: p.toml:1:10: allow \"cgroups\" allows all "
     "cgroups"},
    {"allow = [\"devices\"]\n[files]\nallow_devices = [\"/dev/kvm\"]\n",
     "p.toml:3:1: [files] allow_devices changes nothing: p.toml:1:10: allow \"devices\" allows all "
     "devices"},
    {"[files]\nallow_devices = [\"/dev/0\", \"/dev/1\", \"/dev/2\", \"/dev/3\", \"/dev/4\", "
     "\"/dev/5\", \"/dev/6\", \"/dev/7\", \"/dev/8\"]\n",
     "p.toml:2:1: [files] allow_devices has 9 devices, more than 8: what needs as many is better "
     "off with allow = [\"devices\"]"},
};
INSTANTIATE_TEST_SUITE_P(Files, PolicyMistake, testing::ValuesIn(kFiles));

const Wrong kIpc[] = {
    {"[ipc]\nsingal = []\n", "p.toml:2:1: [ipc] has no key singal; did you mean \"signal\"?"},
    {"[ipc]\nsignal = \"web\"\n", "p.toml:2:10: [ipc] signal is a list: [\"…\"]"},
    {"[ipc]\nsignal = [\"*\"]\n",
     "p.toml:2:11: \"*\": there are no patterns: name each environment"},
    {"[ipc]\nconnect = [\"/run/web\"]\n",
     "p.toml:2:12: \"/run/web\" is no environment's name: a name has 1 to 63 letters, digits, "
     "'_', '.' or '-', and begins with a letter, a digit or '_'"},
    {"[ipc]\nshare_memory = [\"web\", \"web\"]\n",
     "p.toml:2:24: \"web\" stands in this list already, at p.toml:2:17"},
};
INSTANTIATE_TEST_SUITE_P(Ipc, PolicyMistake, testing::ValuesIn(kIpc));

const Wrong kListen[] = {
    {"[network]\nlisten = [\"80/tcp\"]\n",
     "p.toml:2:11: the protocol comes first; did you mean \"tcp/80\"?"},
    {"[network]\nlisten = [\"tpc/80\"]\n",
     "p.toml:2:11: no protocol is named \"tpc\", only tcp, …"},
    {"[network]\nlisten = [\"icmp/80\"]\n", "p.toml:2:11: icmp has no ports"},
    {"[network]\nlisten = [\"90-80\"]\n", "p.toml:2:11: the range of ports 90-80 goes backwards"},
    {"[network]\nlisten = [\"http\"]\n",
     "p.toml:2:11: \"http\" is no port and no range of ports: 443, 8000-8080"},
    {"[network]\nlisten = [\"80-90\", \"tcp/85\"]\n",
     "p.toml:2:20: [network] listen \"tcp/85\" changes nothing: p.toml:2:11: [network] listen "
     "\"80-90\" says the same"},
    {"[network]\nlisten = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\","
     "\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]\n",
     "p.toml:2:1: [network] listen has 17 entries, more than 16: join them to ranges of ports"},
};
INSTANTIATE_TEST_SUITE_P(Listen, PolicyMistake, testing::ValuesIn(kListen));

const Wrong kEgress[] = {
    {"[network]\nrefuse = [\"mail-server\"]\n",
     "p.toml:2:11: \"mail-server\" is no address: write an IPv4 or IPv6 address, or "
     "\"environment:mail-server\" for an environment; names of hosts are not looked up"},
    {"[network]\nrefuse = [\"enviroment:db\"]\n",
     "p.toml:2:11: \"enviroment\" is no address; did you mean \"environment\"?"},
    {"[network]\nrefuse = [\"environment:*\"]\n",
     "p.toml:2:11: \"*\": there are no patterns: name each environment"},
    {"[network]\nrefuse = [\"environment:\"]\n",
     "p.toml:2:11: \"\" is no environment's name: a name has 1 to 63 letters, …"},
    {"[network]\nrefuse = [\"environment:db:http\"]\n",
     "p.toml:2:11: \"http\" is no port and no range of ports: 443, 8000-8080"},
    {"[network]\nrefuse = [\"environment:db:80/tpc\"]\n",
     "p.toml:2:11: no protocol is named \"tpc\", only tcp, udp, …"},
    {"[network]\nrefuse = [\"environment:db/icmp\"]\n",
     "p.toml:2:11: an environment is found by tcp and udp only, not by icmp"},
    {"[network]\nallow = [\"environment:db\"]\n",
     "p.toml:2:10: [network] allow \"environment:db\" changes nothing: [network] default is "
     "\"allow\""},
    {"[network]\nrefuse = [\"environment:db\", \"environment:db:80\"]\n",
     "p.toml:2:29: [network] refuse \"environment:db:80\" changes nothing: p.toml:2:11: [network] "
     "refuse \"environment:db\" says the same"},
    {"[network]\nrefuse = [\"environment:db\"]\ndrop = [\"environment:db\"]\n",
     "p.toml:3:9: \"environment:db\" is in p.toml:2:11: [network] refuse \"environment:db\" "
     "already: keep the one that is meant"},
    {"[network]\ndefault = \"refuse\"\nallow = [\"environment:db:1\", \"environment:db:2\", "
     "\"environment:db:3\", \"environment:db:4\", \"environment:db:5\", \"environment:db:6\", "
     "\"environment:db:7\", \"environment:db:8\", \"environment:db:9\"]\n",
     "p.toml:3:10: environment:db has more than 8 rules: join ranges of ports"},
    {"[network]\nresolver = \"environment:db\"\n",
     "p.toml:2:12: [network] resolver is one address without port: \"environment:db\" is not"},
    {"[network]\nrefuse = [\"10.1.0.0/8\"]\n",
     "p.toml:2:11: 10.1.0.0/8 has bits behind its prefix; did you mean \"10.0.0.0/8\"?"},
    {"[network]\nrefuse = [\"10.0.0.0/33\"]\n", "p.toml:2:11: a prefix has at most 32 bits"},
    {"[network]\nrefuse = [\"::1/129\"]\n", "p.toml:2:11: a prefix has at most 128 bits"},
    {"[network]\nrefuse = [\"[::1:80\"]\n", "p.toml:2:11: the ] of the address is missing"},
    {"[network]\nrefuse = [\"10.0.0.0/8/tpc\"]\n",
     "p.toml:2:11: no protocol is named \"tpc\", only tcp, udp, …"},
    {"[network]\nrefuse = [\"10.0.0.0/8/\"]\n",
     "p.toml:2:11: a protocol is missing after the last /"},
    {"[network]\nrefuse = [\"10.0.0.1:80/icmp\"]\n", "p.toml:2:11: icmp has no ports"},
    {"[network]\nrefuse = [\"[::1]x\"]\n", "p.toml:2:11: \"x\" is too much"},
    {"[network]\nallow = [\"10.0.0.1\"]\n",
     "p.toml:2:10: [network] allow \"10.0.0.1\" changes nothing: [network] default is \"allow\""},
    {"[network]\nrefuse = [\"10.0.0.0/8\", \"10.0.0.1\"]\n",
     "p.toml:2:25: [network] refuse \"10.0.0.1\" changes nothing: p.toml:2:11: [network] refuse "
     "\"10.0.0.0/8\" says the same"},
    {"[network]\nrefuse = [\"10.0.0.1\"]\ndrop = [\"10.0.0.1\"]\n",
     "p.toml:3:9: \"10.0.0.1\" is in p.toml:2:11: [network] refuse \"10.0.0.1\" already: keep the "
     "one that is meant"},
    {"[network]\nresolver = \"10.0.0.0/8\"\n",
     "p.toml:2:12: [network] resolver is one address without port: \"10.0.0.0/8\" is not"},
    {"[network]\ndefault = \"refuse\"\nallow = [\"10.0.0.1:1\", \"10.0.0.1:2\", \"10.0.0.1:3\", "
     "\"10.0.0.1:4\", \"10.0.0.1:5\", \"10.0.0.1:6\", \"10.0.0.1:7\", \"10.0.0.1:8\", "
     "\"10.0.0.1:9\"]\n",
     "p.toml:3:10: 10.0.0.1 has more than 8 rules together with those of the prefixes around it "
     "and the default: join ranges of ports"},
};
INSTANTIATE_TEST_SUITE_P(Egress, PolicyMistake, testing::ValuesIn(kEgress));

TEST(PolicyMistakes, TooManyRulesAreRefusedBeforeAnythingIsCompiled) {
    std::string text = "[files]\nread = [\n";
    for (std::size_t i = 0; i <= policy::kMaxRules; ++i)
        text += "\"/" + std::to_string(i) + "\",\n";
    EXPECT_EQ(mistakes_of(text + "]\n"),
              "p.toml: the policy has 16386 rules, more than 16384: name directories instead of "
              "the files in them");
}

TEST(PolicyMistakes, AFileThatIsNotThere) {
    const auto policy = policy::load("/no/such/policy.toml");
    ASSERT_FALSE(policy.has_value());
    EXPECT_EQ(policy.error().code(), ENOENT);
    EXPECT_EQ(policy.error().fault(), Fault::kUsage);
    EXPECT_FALSE(policy::load("/etc").has_value());
}

TEST(PolicyMistakes, AProfileThatIsNotThereIsSuggested) {
    EXPECT_NE(policy::load("minmal").error().message().find("did you mean \"minimal\"?"),
              std::string::npos);
}

}  // namespace
}  // namespace bulkhead::tests
