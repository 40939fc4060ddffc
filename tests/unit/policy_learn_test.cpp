// From observations to a policy: it compiles, allows all that was seen, and little else.
#include <netinet/in.h>

#include <algorithm>
#include <random>

#include "tests/unit/learn_support.h"

namespace bulkhead::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

policy::SeenAddress reached(const std::string& target) {
    const auto parsed = policy::parse_target(target);
    return {.address = parsed.value->prefix,
            .port = parsed.value->ports.first == parsed.value->ports.last
                        ? parsed.value->ports.first
                        : std::uint16_t{0},
            .protocol = parsed.value->ports.protocol};
}

std::vector<std::string> values(const std::vector<policy::LearnedEntry>& entries) {
    std::vector<std::string> list(entries.size());
    std::transform(entries.begin(), entries.end(), list.begin(),
                   [](const auto& entry) { return entry.value; });
    return list;
}

using Values = std::vector<std::string>;

TEST(Learn, RefusesAllElseThatItKnowsOf) {
    const policy::Policy policy = learned(program());
    EXPECT_FALSE(allows(policy, "open-read", "/etc/passwd"));
    EXPECT_FALSE(allows(policy, "open-write", "/etc/ld.so.cache"));
    EXPECT_FALSE(allows(policy, "exec", "/usr/bin/false"));
    EXPECT_FALSE(allows(policy, "exec", "/tmp/new"));
    EXPECT_FALSE(allows(policy, "connect", "127.0.0.1:80/tcp"));
    EXPECT_FALSE(allows(policy, "listen", "tcp/80"));
    EXPECT_FALSE(allows(policy, "capability", "chown"));
    for (const char* class_name : {"debug", "priority", "setuid", "core_dumps", "personality",
                                   "anonymous_code", "writable_code", "drift", "bpf", "mounts"})
        EXPECT_FALSE(allows(policy, "class", class_name)) << class_name;
}

TEST(Learn, IsOfTheSizeThatAPersonReads) {
    Observations seen = program();
    for (int i = 0; i < 4000; ++i)
        seen.files.push_back(used(
            "/usr/lib/python3.11/m" + std::to_string(i / 50) + "/f" + std::to_string(i) + ".py",
            kRead));
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(files.read),
              (Values{"/etc/ld.so.cache", "/usr/lib/python3.11", "/usr/lib/x86_64-linux-gnu"}));
    EXPECT_EQ(files.read[1].from, "4000 files");
    learned(seen);
}

TEST(Learn, NamesFewFilesAndTheDirectoryOfMany) {
    Observations seen = program();
    for (const char* file : {"/etc/app/one", "/etc/app/two", "/etc/app/three"})
        seen.files.push_back(used(file, kRead));
    EXPECT_EQ(values(policy::generalise_files(seen).read),
              (Values{"/etc/app/one", "/etc/app/three", "/etc/app/two", "/etc/ld.so.cache",
                      "/usr/lib/x86_64-linux-gnu"}));
    seen.files.push_back(used("/etc/app/four", kRead));
    EXPECT_EQ(values(policy::generalise_files(seen).read),
              (Values{"/etc/app", "/etc/ld.so.cache", "/usr/lib/x86_64-linux-gnu"}));
    learned(seen);
}

TEST(Learn, GivesNoDirectoryWholeThatHoldsWhatBelongsToMany) {
    Observations seen = program();
    for (const char* above : {"/etc/", "/var/lib/", "/home/user/"}) {
        for (int i = 0; i < 6; ++i)
            seen.files.push_back(used(above + std::string("f") + std::to_string(i), kRead));
    }
    const policy::Policy policy = learned(seen);
    EXPECT_FALSE(allows(policy, "open-read", "/etc/shadow"));
    EXPECT_FALSE(allows(policy, "open-read", "/var/lib/other"));
    EXPECT_FALSE(allows(policy, "open-read", "/home/user/.ssh/id"));
}

TEST(Learn, MakingAFileIsWritingItsDirectory) {
    Observations seen = program();
    seen.files.push_back(named("/tmp/tmpq81x"));
    seen.files.push_back(used("/tmp/tmpq81x", kRead | kWrite));
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(files.write), Values{"/tmp"});
    EXPECT_THAT(files.write[0].from, HasSubstr("1 made, moved or removed"));
    EXPECT_TRUE(allows(learned(seen), "open-write", "/tmp/tmpother"));
}

TEST(Learn, ADirectoryMadeAmongThoseOfManyIsWrittenAlone) {
    Observations seen = program();
    for (const char* directory : {"/var/lib/rows", "/srv/rows"}) {
        SeenFile made = named(directory);
        made.is_directory = true;
        seen.files.push_back(made);
    }
    seen.files.push_back(named("/var/lib/rows/base/1"));
    EXPECT_EQ(values(policy::generalise_files(seen).write), (Values{"/srv", "/var/lib/rows"}));
    learned(seen);
}

TEST(Learn, AFileThatIsThereIsWrittenAlone) {
    Observations seen = program();
    seen.files.push_back(used("/var/log/app/access.log", kAppend));
    seen.files.push_back(used("/var/lib/app/state", kRead | kWrite));
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(files.append), Values{"/var/log/app/access.log"});
    EXPECT_EQ(values(files.write), Values{"/var/lib/app/state"});
    const policy::Policy policy = learned(seen);
    EXPECT_FALSE(allows(policy, "open-write", "/var/log/app/access.log"));
    EXPECT_FALSE(allows(policy, "open-write", "/var/lib/app/other"));
}

TEST(Learn, WritingBeneathWhatIsReadKeepsBoth) {
    Observations seen = program();
    seen.files.push_back(listed("/srv/app"));
    seen.files.push_back(named("/srv/app/data/new"));
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "open-write", "/srv/app/data/x"));
    EXPECT_FALSE(allows(policy, "open-write", "/srv/app/code.py"));
    EXPECT_TRUE(allows(policy, "open-read", "/srv/app/code.py"));
}

TEST(Learn, NumbersOfProcessesAndTerminalsAreNotNamed) {
    Observations seen = program();
    seen.files.push_back(used("/proc/4711/stat", kRead));
    seen.files.push_back(used("/proc/meminfo", kRead));
    seen.files.push_back(used("/dev/pts/3", kRead | kWrite));
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_THAT(values(files.read), testing::Contains("/proc"));
    EXPECT_THAT(values(files.read), Not(testing::Contains("/proc/meminfo")));
    EXPECT_EQ(values(files.write), Values{"/dev/pts"});
    learned(seen);
}

TEST(Learn, ADirectoryThatIsRenamedIsNoNodeOfTheRules) {
    Observations seen = program();
    seen.files.push_back(named("/data/a"));
    seen.files.push_back(named("/data/b"));
    seen.files.push_back(used("/data/b/tool", kExecute));
    seen.files.push_back(used("/data/a/in/file", kRead));
    seen.moves.push_back({"/data/a", "/data/b", true});
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(files.write), Values{"/data"});
    EXPECT_THAT(values(*files.execute), testing::Contains("/data"));
    learned(seen);
}

TEST(Learn, WhatIsMovedFindsTheSameRights) {
    Observations seen = program();
    seen.files.push_back(named("/build/tool"));
    seen.files.push_back(named("/opt/app/tool"));
    seen.files.push_back(used("/opt/app/tool", kExecute));
    seen.moves.push_back({"/build/tool", "/opt/app/tool", false});
    EXPECT_THAT(values(*policy::generalise_files(seen).execute), testing::Contains("/build"));
    learned(seen);
}

TEST(Learn, ProgramsAreNamedAndLibrariesAreNot) {
    Observations seen = program();
    for (int i = 0; i < 9; ++i)
        seen.files.push_back(
            used("/usr/lib/x86_64-linux-gnu/libx" + std::to_string(i) + ".so.1", kRead | kExecute));
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(*files.execute), (Values{"/usr/bin/true", "/usr/lib/x86_64-linux-gnu"}));
    EXPECT_EQ((*files.execute)[1].from, "11 programs and libraries");
    for (int i = 0; i < 12; ++i)
        seen.files.push_back(used("/usr/bin/tool" + std::to_string(i), kExecute));
    EXPECT_THAT(values(*policy::generalise_files(seen).execute), testing::Contains("/usr/bin"));
    learned(seen);
}

TEST(Learn, CodeWithoutAPathLeavesNoListOfPrograms) {
    Observations seen = program();
    seen.nameless[BH_CLASS_EXECUTION] = {1, "memfd:x"};
    seen.classes[BH_CLASS_ANONYMOUS_CODE] = {1, "memfd:x"};
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "class", "execution"));
    EXPECT_TRUE(allows(policy, "class", "anonymous_code"));
    EXPECT_THAT(text_of(seen), HasSubstr("NOT IN THE RULES"));
}

TEST(Learn, TheRootItselfGivesWhatIsNotRefusedAgain) {
    Observations seen = program();
    seen.files.push_back(listed("/"));
    seen.root = {"boot", "etc", "home", "usr"};
    const policy::Policy policy = learned(seen);
    EXPECT_FALSE(allows(policy, "open-read", "/boot/vmlinuz"));
    EXPECT_FALSE(allows(policy, "open-read", "/etc/shadow"));
    EXPECT_TRUE(allows(policy, "open-read", "/"));
}

TEST(Learn, AFileWithOtherNamesIsNamedByItsDirectory) {
    Observations seen = program();
    SeenFile perl = used("/usr/bin/perl", kExecute);
    perl.has_other_names = true;
    seen.files.push_back(perl);
    const policy::LearnedFiles files = policy::generalise_files(seen);
    EXPECT_EQ(values(*files.execute), (Values{"/usr/bin", "/usr/lib/x86_64-linux-gnu"}));
    EXPECT_EQ((*files.execute)[0].from, "2 programs and libraries, one with several names");
    learned(seen);
}

TEST(Learn, NamesThatAPolicyCannotWriteAreTheirDirectory) {
    Observations seen = program();
    seen.files.push_back(used("/srv/a*b", kRead));
    seen.files.push_back(used("/opt/\xff\xfe/x", kRead));
    seen.files.push_back(used("/data/a\"b\\c\td", kRead));
    const auto read = values(policy::generalise_files(seen).read);
    EXPECT_THAT(read, testing::IsSupersetOf({"/srv", "/opt", "/data/a\"b\\c\td"}));
    learned(seen);
}

TEST(Learn, DeepPathsStopWhereTheKernelDoes) {
    Observations seen = program();
    std::string path;
    for (int i = 0; i < 50; ++i)
        path += "/d" + std::to_string(i);
    seen.files.push_back(used(path, kRead));
    learned(seen);
}

TEST(Learn, AddressesAndPortsAreThoseThatWereReached) {
    Observations seen = program();
    seen.addresses = {reached("10.0.0.1:443/tcp"), reached("10.0.0.2:53/udp"),
                      reached("[2001:db8::1]:443/tcp"), reached("10.0.0.9/icmp")};
    EXPECT_EQ(
        values(*policy::generalise_network(seen).allow),
        (Values{"10.0.0.1:443/tcp", "10.0.0.2:53/udp", "10.0.0.9/icmp", "[2001:db8::1]:443/tcp"}));
    const policy::Policy policy = learned(seen);
    EXPECT_FALSE(allows(policy, "connect", "10.0.0.1:80/tcp"));
    EXPECT_FALSE(allows(policy, "connect", "10.0.0.3:443/tcp"));
    EXPECT_FALSE(allows(policy, "connect", "[2001:db8::2]:443/tcp"));
}

TEST(Learn, ManyAddressesBecomePrefixes) {
    Observations seen = program();
    for (int i = 1; i < 200; ++i)
        seen.addresses.push_back(reached("192.0.2." + std::to_string(i) + ":443/tcp"));
    const auto network = policy::generalise_network(seen);
    EXPECT_EQ(values(*network.allow), Values{"192.0.2.0/24:443/tcp"});
    EXPECT_EQ((*network.allow)[0].from, "199 addresses");
    EXPECT_FALSE(allows(learned(seen), "connect", "192.0.3.1:443/tcp"));
}

TEST(Learn, ManyPortsOfOneAddressBecomeItsProtocol) {
    Observations seen = program();
    for (int port = 5000; port < 5010; ++port)
        seen.addresses.push_back(reached("10.0.0.1:" + std::to_string(port) + "/tcp"));
    EXPECT_EQ(values(*policy::generalise_network(seen).allow), Values{"10.0.0.1/tcp"});
    learned(seen);
}

TEST(Learn, ServedPortsAreListedOrBecomeARange) {
    Observations seen = program();
    seen.ports = {{80, IPPROTO_TCP}, {443, IPPROTO_TCP}, {443, IPPROTO_UDP}};
    EXPECT_EQ(values(*policy::generalise_network(seen).listen),
              (Values{"tcp/80", "tcp/443", "udp/443"}));
    learned(seen);
    for (std::uint16_t port = 9000; port < 9020; ++port)
        seen.ports.push_back({port, IPPROTO_TCP});
    EXPECT_EQ(values(*policy::generalise_network(seen).listen), (Values{"tcp/80-9019", "udp/443"}));
    learned(seen);
    seen.ports.push_back({0, IPPROTO_TCP});
    EXPECT_FALSE(policy::generalise_network(seen).listen.has_value());
    learned(seen);
}

TEST(Learn, CapabilitiesAreKeptAndClassesStayAllowed) {
    Observations seen = program();
    seen.capabilities = {0, 7, 21};
    seen.classes[BH_CLASS_CAPABILITIES] = {3, "capability 21"};
    seen.classes[BH_CLASS_IO_URING] = {1, ""};
    seen.classes[BH_CLASS_DEBUG] = {2, "pid 7 (gdb)\nallow = [\"self\"]"};
    seen.classes[BH_CLASS_RAW_SOCKETS] = {1, "socket family 17"};
    const policy::Policy policy = learned(seen);
    EXPECT_FALSE(allows(policy, "capability", "kill"));
    EXPECT_FALSE(allows(policy, "class", "self"));
    EXPECT_FALSE(allows(policy, "class", "families"));
    EXPECT_THAT(text_of(seen), HasSubstr("cross the environment's border"));
}

TEST(Learn, SysctlsAreNamedWhereAListCanNameThem) {
    Observations seen = program();
    seen.sysctls = {{"net.ipv4.ip_forward", 2}};
    const policy::Policy policy = learned(seen);
    EXPECT_TRUE(allows(policy, "sysctl", "net.ipv4.ip_forward"));
    EXPECT_FALSE(allows(policy, "sysctl", "net.ipv4.ip_default_ttl"));
    seen.classes[BH_CLASS_SYSCTL] = {1, "/proc/sys/vm/swappiness"};
    EXPECT_TRUE(allows(learned(seen), "sysctl", "vm.swappiness")) << "all of them";
}

TEST(Learn, SaysWhatIsMissing) {
    Observations seen = program();
    EXPECT_THAT(text_of(seen), Not(HasSubstr("INCOMPLETE")));
    seen.lost = 12;
    EXPECT_THAT(text_of(seen), HasSubstr("# INCOMPLETE: 12 acts"));
    compiled(text_of(seen));
}

TEST(Learn, KeepsTheSectionsThatDidNotLearn) {
    Observations seen;
    seen.ports = {{80, IPPROTO_TCP}};
    const std::string text =
        text_of(seen,
                "description = \"Mine\"\n[files]\ndefault = \"read\"\nwrite = [\"/srv\"]\n"
                "[network]\nmode = \"learn\"\nlisten = []\n[capabilities]\nkeep = []\n");
    SCOPED_TRACE(text);
    const policy::Policy policy = compiled(text);
    EXPECT_TRUE(allows(policy, "listen", "tcp/80"));
    EXPECT_FALSE(allows(policy, "listen", "tcp/81"));
    EXPECT_TRUE(allows(policy, "open-write", "/srv/x"));
    EXPECT_FALSE(allows(policy, "open-write", "/etc/x"));
    EXPECT_FALSE(allows(policy, "capability", "chown"));
    EXPECT_EQ(policy.rules.policy.learned, 0U);
}

// Whatever was done: the text compiles, and allows it.
TEST(Learn, AllowsWhateverWasSeen) {
    std::seed_seq same_each_time{1};
    std::mt19937 random(same_each_time);
    const auto pick = [&](std::size_t count) { return random() % count; };
    const std::vector<std::string> names = {"usr",    "bin",  "etc", "a",   "b",
                                            "proc",   "12",   "lib", "var", "dev",
                                            "x.so.1", "home", "pts", "q*",  "log"};
    const auto path = [&] {
        std::string text;
        for (std::size_t i = 0, depth = pick(6); i < depth; ++i)
            text += "/" + names[pick(names.size())];
        return text.empty() ? "/" + names[pick(4)] : text;
    };
    for (int round = 0; round < 300; ++round) {
        Observations seen;
        for (std::size_t i = 0, count = 1 + pick(80); i < count; ++i)
            seen.files.push_back({.path = path(),
                                  .rights = static_cast<std::uint32_t>(1 + pick(15)),
                                  .act = pick(4) == 0 ? FileAct::kNamed : FileAct::kUsed,
                                  .has_other_names = pick(20) == 0});
        for (std::size_t i = 0, count = pick(60); i < count; ++i)
            seen.addresses.push_back(reached(std::to_string(1 + pick(3)) + ".0.0." +
                                             std::to_string(pick(40)) + ":" +
                                             std::to_string(pick(9) + 1) + "/tcp"));
        if (pick(3) == 0)
            seen.mounted = {static_cast<std::uint32_t>(1 + pick(7)), {1, "/x"}, {path(), path()}};
        const std::string text = text_of(seen);
        SCOPED_TRACE(text);
        EXPECT_EQ(policy::refused_of(seen, compiled(text)), std::vector<std::string>{});
        if (HasFailure())
            return;
    }
}

}  // namespace
}  // namespace bulkhead::tests
