// Rules of [files] on environments that run: what they give and refuse, by whichever way to a file.
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kTrees = R"([files]
read = ["/srv/seen"]
refuse = ["/srv/closed", "/srv/later/secret"]
append = ["/srv/log"]
execute = ["/usr", "/lib64"]
)";
constexpr const char* kOther = R"([files]
refuse = ["/srv/seen"]
)";

// What the policies are about, made while nothing is refused.
constexpr const char* kFill =
    "mkdir -p /srv/seen /srv/closed /srv/log /srv/open && cp /usr/bin/true /srv/open/true && "
    "for d in seen closed log open; do echo $d > /srv/$d/file; done";

class Filled {
public:
    Filled() : trees_("trees", kTrees), box_("box", {"sleep", "600"}) {
        EXPECT_EQ(exec("box", kFill).exit_code, 0);
    }
    [[nodiscard]] const std::string& trees() const { return trees_.path(); }

private:
    NothingLeft nothing_left_;
    PolicyFile trees_;
    Detached box_;
};

void apply(const std::string& policy) {
    const Outcome applied = bulkhead({"policy", "apply", "box", policy});
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
}

// Refused inside, with the words of EPERM, and by this rule.
void expect_refused_inside(const std::string& script, const std::string& words,
                           const std::string& by) {
    const Outcome outcome = exec("box", script);
    EXPECT_NE(outcome.exit_code, 0) << script;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << script << ": " << outcome.err;
    const std::string why = bulkhead({"why", "box"}).out;
    EXPECT_NE(why.find(by), std::string::npos) << script << ": " << why;
}

void expect_allowed(const std::string& script) {
    const Outcome outcome = exec("box", script);
    EXPECT_EQ(outcome.exit_code, 0) << script << ": " << outcome.err;
}

constexpr const char* kEperm = "not permitted";

TEST(PolicyFiles, GiveReadingWritingAppendingAndNothing) {
    const Filled box;
    apply(box.trees());
    expect_allowed("cat /srv/seen/file && cat /srv/log/file && echo more >> /srv/log/file");
    expect_refused_inside("echo x > /srv/seen/file", kEperm,
                          "trees.toml:2:9: [files] read \"/srv/seen\"");
    expect_refused_inside("touch /srv/seen/new", kEperm, "[files] write = [\"/srv/seen/new\"]");
    expect_refused_inside("cat /srv/closed/file", kEperm,
                          "trees.toml:3:11: [files] refuse \"/srv/closed\"");
    expect_refused_inside("ls /srv/closed", kEperm, "[files] read = [\"/srv/closed\"]");
    expect_refused_inside("echo x > /srv/log/file", kEperm,
                          "trees.toml:4:11: [files] append \"/srv/log\"");
    expect_refused_inside("rm /srv/closed/file", kEperm, "path_unlink");
    expect_refused_inside("ln /srv/closed/file /srv/open/l", "cross-device", "path_link");
    apply("default");
    expect_allowed(
        "test \"$(cat /srv/seen/file /srv/closed/file)\" = \"$(echo seen; echo closed)\" "
        "&& test ! -e /srv/seen/new && test ! -e /srv/open/l && "
        "test \"$(cat /srv/log/file)\" = \"$(echo log; echo more)\"");
    expect_allowed("cat /srv/closed/file && ln /srv/closed/file /srv/open/l && rm /srv/open/l");
}

TEST(PolicyFiles, LetProgramsRunFromTheirListOnly) {
    const Filled box;
    expect_allowed("/srv/open/true");
    apply(box.trees());
    expect_refused_inside("/srv/open/true", kEperm, "trees.toml:5:1: [files] execute");
    expect_refused_inside("/lib64/ld-linux-x86-64.so.2 /srv/open/true", "true", "mmap_file");
    expect_refused_inside("cp /srv/open/true /tmp/t && /tmp/t", kEperm,
                          "[files] execute = [\"/tmp\"]");
    expect_allowed("/usr/bin/true");
}

TEST(PolicyFiles, HoldForLinksAndWhatAppearsLater) {
    const Filled box;
    apply(box.trees());
    expect_allowed("ln -s ../closed/file /srv/open/link");
    expect_refused_inside("cat /srv/open/link", kEperm, "refuse \"/srv/closed\"");
    expect_refused_inside("cat /proc/self/root/srv/closed/file", kEperm, "refuse \"/srv/closed\"");
    expect_refused_inside("cd /srv/closed && cat file", kEperm, "refuse \"/srv/closed\"");
    expect_allowed("mkdir /srv/later");
    expect_refused_inside("mkdir /srv/later/secret", kEperm,
                          "trees.toml:3:26: [files] refuse \"/srv/later/secret\"");
    expect_refused_inside("mv -T /srv/open /srv/later/secret", kEperm, "path_rename");
}

TEST(PolicyFiles, AreDecidedByWhatIsAppliedLast) {
    const Filled box;
    const PolicyFile other("other", kOther);
    apply(box.trees());
    expect_allowed("cat /srv/seen/file");
    apply(other.path());
    expect_refused_inside("cat /srv/seen/file", kEperm,
                          "other.toml:2:11: [files] refuse \"/srv/seen\"");
    expect_allowed("cat /srv/closed/file && echo x > /srv/log/file && /srv/open/true");
    apply("default");
    expect_refused(bulkhead({"set", "box", "--refuse", "paths"}),
                   {2, {"no rules about paths", "policy apply"}});
    expect_allowed("cat /srv/seen/file");
}

TEST(PolicyFiles, HoldOnWhatIsMounted) {
    const NothingLeft nothing_left;
    const PolicyFile file("mounts",
                          "[files]\nread = [\"/data\"]\nrefuse = [\"/data/in/closed\"]\n");
    const Detached box("box", {"sleep", "600"},
                       {"--policy", file.path(), "--tmpfs", "/data", "--tmpfs", "/free"});
    expect_refused_inside("touch /data/new", kEperm, "mounts.toml:2:9: [files] read \"/data\"");
    expect_allowed("touch /free/new");
}

TEST(PolicyFiles, ThatCannotHoldAreRefusedByTheirPlace) {
    const Filled box;
    expect_allowed("ln /srv/open/file /srv/open/second");
    const PolicyFile linked("linked", "[files]\nrefuse = [\"/srv/open/file\"]\n");
    expect_refused(bulkhead({"policy", "apply", "box", linked.path()}),
                   {2, {"/tmp/linked.toml:2:11", "2 names", "hard links"}});
    std::string deep = "/srv";
    for (int level = 0; level < 40; ++level)
        deep += "/d";
    const PolicyFile far("far", "[files]\nrefuse = [\"" + deep + "\"]\n");
    expect_refused(bulkhead({"policy", "apply", "box", far.path()}),
                   {2, {"/tmp/far.toml:2:11", "41 directories deep", "further up"}});
    expect_allowed("cat /srv/open/file");
}

TEST(PolicyFiles, OfTheProfilesLetARealProgramRun) {
    const NothingLeft nothing_left;
    for (const char* profile : {"minimal", "web", "agent"}) {
        const Outcome outcome = run({"--policy", profile, "--name", "box", "--keep"},
                                    {"bash", "-c",
                                     "sort /etc/passwd > /tmp/sorted && test -s /tmp/sorted && "
                                     "cp /usr/bin/true /tmp/t && ! /tmp/t && ! touch /usr/new && "
                                     "test ! -e /usr/new"});
        EXPECT_EQ(outcome.exit_code, 0) << profile << ": " << outcome.err;
        const std::string why = bulkhead({"why", "box"}).out;
        EXPECT_NE(why.find(std::string("profile ") + profile + ":"), std::string::npos) << why;
        EXPECT_NE(why.find("path_mknod /usr/new"), std::string::npos) << why;
        EXPECT_EQ(bulkhead({"destroy", "box"}).exit_code, 0);
    }
}

// A device that any kernel of ours has, and that opening does nothing to.
TEST(PolicyFiles, GiveTheDevicesThatTheyName) {
    const NothingLeft nothing_left;
    const PolicyFile policy("devices", "[files]\nallow_devices = [\"/dev/cpu_dma_latency\"]\n");
    constexpr const char* kOpen = "exec 3< /dev/cpu_dma_latency";
    {
        const Detached box("box", {"sleep", "600"}, {"--policy", policy.path()});
        expect_allowed(kOpen);
        // The node stays; what it is good for follows the policy.
        const PolicyFile none("none", "description = \"nothing beside the default\"\n");
        apply(none.path());
        expect_refused_inside(kOpen, kEperm, "allow_devices = [\"/dev/cpu_dma_latency\"]");
        apply(policy.path());
        expect_allowed(kOpen);
    }
    const Detached without("box", {"sleep", "600"});
    EXPECT_NE(exec("box", "test -e /dev/cpu_dma_latency").exit_code, 0);
}

TEST(PolicyFiles, NameDevicesThatTheMachineHas) {
    const NothingLeft nothing_left;
    const PolicyFile policy("devices", "[files]\nallow_devices = [\"/dev/nosuch\"]\n");
    const Outcome outcome = bulkhead({"run", "--policy", policy.path(), "--", "true"});
    EXPECT_EQ(outcome.exit_code, 125);
    EXPECT_NE(outcome.err.find("devices.toml:2:18: [files] allow_devices \"/dev/nosuch\""),
              std::string::npos)
        << outcome.err;
}

}  // namespace
}  // namespace bulkhead::tests
