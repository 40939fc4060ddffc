// Learning on real programs: the policy that a run wrote lets the same run pass without a refusal,
// and refuses what it did not do.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

// Works as a small service would; with `act NAME…` does things that it never did before, and
// prints how they ended.
constexpr const char* kApp = R"PY(
import errno, os, pickle, socket, subprocess, sys, tempfile, threading, time

def answer(server):
    client, _ = server.accept()
    with client:
        client.sendall(client.recv(100))

def work():
    folder = tempfile.mkdtemp()
    with open(folder + "/state.new", "wb") as file:
        pickle.dump({"runs": 1}, file)
    os.rename(folder + "/state.new", folder + "/state")
    os.mkdir(folder + "/a")
    os.rename(folder + "/a", folder + "/b")
    with socket.create_server(("127.0.0.1", 8080)) as server:
        threading.Thread(target=answer, args=(server,)).start()
        with socket.create_connection(("127.0.0.1", 8080)) as client:
            client.sendall(b"ping")
            assert client.recv(100) == b"ping"
    assert subprocess.run(["/bin/sh", "-c", "exit 7"]).returncode == 7
    os.unlink(folder + "/state")
    os.rmdir(folder + "/b")
    os.rmdir(folder)

def write_program(path):
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o755)
    os.execv(path, [path])

def run_memory():
    memory = os.memfd_create("program")
    os.write(memory, b"#!/bin/sh\n")
    os.execv("/proc/self/fd/%d" % memory, ["program"])

def listen(port):
    socket.socket().bind(("127.0.0.1", port))

def connect(address, port):
    socket.socket().connect((address, port))

ACTS = {
    "read": lambda: open("/etc/shadow").read(),
    "list": lambda: os.listdir("/home"),
    "write": lambda: open("/etc/hostname", "a").write("x"),
    "make": lambda: open("/etc/new", "w"),
    "mkdir": lambda: os.mkdir("/opt/new"),
    "mknod": lambda: os.mkfifo("/srv/new"),
    "symlink": lambda: os.symlink("/etc", "/opt/link"),
    "link": lambda: os.link("/etc/shadow", "/opt/shadow"),
    "unlink": lambda: os.unlink("/etc/shadow"),
    "rmdir": lambda: os.rmdir("/opt"),
    "rename": lambda: os.rename("/etc/shadow", "/etc/shadow2"),
    "chmod": lambda: os.chmod("/etc/shadow", 0o666),
    "truncate": lambda: os.truncate("/etc/shadow", 0),
    "execute": lambda: os.execv("/usr/bin/env", ["env"]),
    "drop": lambda: write_program("/tmp/dropped"),
    "memory": run_memory,
    "connect": lambda: connect("127.0.0.1", 81),
    "send": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)),
    "serve": lambda: listen(8081),
    "chown": lambda: os.chown("/tmp", 1, 1),
    "chroot": lambda: os.chroot("/tmp"),
    "setuid": lambda: os.setuid(1),
}

if sys.argv[1] == "work":
    work()
elif sys.argv[1] == "wait":
    time.sleep(600)
else:
    for name in sys.argv[2:]:
        try:
            ACTS[name]()
            print(name, "done", flush=True)
        except OSError as error:
            print(name, errno.errorcode[error.errno], flush=True)
)PY";

struct Act {
    const char* name;
    const char* error;
    const char* why;  // stands in what `why` says of it
};

// Each beyond what the program did.
constexpr Act kActs[] = {
    {"read", "EPERM", "/etc/shadow"},
    {"list", "EPERM", "/home"},
    {"write", "EPERM", "/etc/hostname"},
    {"make", "EPERM", "path_mknod /etc/new"},
    {"mkdir", "EPERM", "path_mkdir /opt/new"},
    {"mknod", "EPERM", "path_mknod /srv/new"},
    {"symlink", "EPERM", "path_symlink /opt/link"},
    {"link", "EPERM", "path_link /opt/shadow"},
    {"unlink", "EPERM", "path_unlink /etc/shadow"},
    {"rmdir", "EPERM", "path_rmdir /opt"},
    {"rename", "EPERM", "path_rename /etc/shadow"},
    {"chmod", "EPERM", "inode_setattr /etc/shadow"},
    {"truncate", "EPERM", "path_truncate /etc/shadow"},
    {"execute", "EPERM", "/usr/bin/env"},
    {"drop", "EPERM", "/tmp/dropped"},
    {"memory", "EPERM", "memfd:program"},
    {"connect", "EPERM", "tcp 127.0.0.1:81"},
    {"send", "EPERM", "udp 127.0.0.1:53"},
    {"serve", "EPERM", "tcp port 8081"},
    {"chown", "EPERM", "capable capability 0"},
    {"chroot", "EPERM", "capable capability 18"},
    {"setuid", "EPERM", "capable capability 7"},
};

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// A file that a run writes, gone with the object.
class Written {
public:
    explicit Written(const std::string& name) : path_("/tmp/" + name) {}
    Written(const Written&) = delete;
    Written& operator=(const Written&) = delete;
    ~Written() { fs::remove(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string text() const { return read_file(path_); }

private:
    std::string path_;
};

Arguments joined(Arguments first, const Arguments& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

void learn(const std::string& policy, const Arguments& command) {
    const Outcome learned = run({"--learn", policy}, command);
    ASSERT_EQ(learned.exit_code, 0) << learned.out << learned.err;
    EXPECT_EQ(read_file(policy).find("INCOMPLETE"), std::string::npos);
    EXPECT_EQ(read_file(policy).find("is refused"), std::string::npos) << read_file(policy);
    EXPECT_EQ(bulkhead({"policy", "check", policy}).exit_code, 0) << read_file(policy);
}

void expect_no_refusal(const std::string& name, const std::string& policy) {
    EXPECT_EQ(bulkhead_json({"status", name}).at("refused"), 0)
        << bulkhead({"why", name}).out << read_file(policy);
}

// The same run, by the policy that it wrote.
void expect_passes(const std::string& policy, const Arguments& command) {
    const Outcome again = run({"--name", "again", "--keep", "--policy", policy}, command);
    EXPECT_EQ(again.exit_code, 0) << again.out << again.err << read_file(policy);
    expect_no_refusal("again", policy);
    EXPECT_EQ(bulkhead({"destroy", "again"}).exit_code, 0);
}

// Isolated: the working directory is no place that it looks for modules in.
Arguments app(const Arguments& what) {
    return joined({"python3", "-I", "-c", kApp}, what);
}

// The last ones: hook, object, and whether a rule of the policy or the class alone decided.
std::string refusals_of(const std::string& name) {
    std::string text = "\n";
    for (const auto& row : bulkhead_json({"why", name}))
        text += row.at("hook").get<std::string>() + " " + row.at("object").get<std::string>() +
                (row.at("policy_rule").is_null() ? " of class " : " by a rule of ") +
                row.at("rule").get<std::string>() + "\n";
    return text;
}

// The line of `refusals` that speaks of `object`; "" for none.
std::string line_about(const std::string& refusals, const std::string& object) {
    const std::size_t at = refusals.find(object);
    if (at == std::string::npos)
        return "";
    const std::size_t begin = refusals.rfind('\n', at) + 1;
    return refusals.substr(begin, refusals.find('\n', at) - begin);
}

TEST(Learn, WritesThePolicyOfAPythonProgram) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    learn(policy.path(), app({"work"}));
    expect_passes(policy.path(), app({"work"}));
    EXPECT_LT(std::ranges::count(policy.text(), '\n'), 80) << policy.text();
}

TEST(Learn, RefusesWhatThePythonProgramDidNotDo) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    learn(policy.path(), app({"work"}));
    const Detached box("app", app({"wait"}), {"--policy", policy.path()});
    // Of `why` there are the last refusals: a few acts at a time.
    constexpr std::size_t kAtOnce = 5;
    for (std::size_t begin = 0; begin < std::size(kActs); begin += kAtOnce) {
        Arguments acts = {"act"};
        std::string expected;
        const std::size_t end = std::min(begin + kAtOnce, std::size(kActs));
        for (std::size_t i = begin; i < end; ++i) {
            acts.emplace_back(kActs[i].name);
            expected += std::string(kActs[i].name) + " " + kActs[i].error + "\n";
        }
        const Outcome acted = bulkhead(joined({"exec", "app", "--"}, app(acts)));
        EXPECT_EQ(acted.out, expected) << acted.err;
        const std::string why = refusals_of("app");
        for (std::size_t i = begin; i < end; ++i)
            EXPECT_NE(line_about(why, kActs[i].why).find("by a rule of"), std::string::npos)
                << kActs[i].name << ": " << why;
    }
    EXPECT_EQ(bulkhead(joined({"exec", "app", "--"}, app({"work"}))).exit_code, 0);
}

TEST(Learn, WritesThePolicyOfAServer) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Arguments serve = {
        "bash", "-c",
        "nginx -g 'daemon off;' & until sleep 0.5; curl -fsS -o /dev/null http://127.0.0.1/; do :; "
        "done; nginx -s quit && wait"};
    learn(policy.path(), serve);
    const std::string text = policy.text();
    for (const char* line : {"\"/usr/sbin/nginx\",", "\"tcp/80\",", "\"127.0.0.1:80/tcp\","})
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
    expect_passes(policy.path(), serve);
}

TEST(Learn, WritesThePolicyOfABuild) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Arguments build = {
        "bash", "-c",
        "set -e; mkdir -p /tmp/src /usr/local/lib/made; cp -r /etc/apt /etc/pam.d /tmp/src; "
        "cd /tmp; tar cf src.tar src; xz -k src.tar; xz -t src.tar.xz; "
        "printf '#!/bin/sh\\necho built\\n' > tool; chmod 755 tool; mv tool /usr/local/bin/; "
        "test \"$(tool)\" = built; mv src src-1; rm -r src-1 src.tar; ls / >/dev/null"};
    learn(policy.path(), build);
    expect_passes(policy.path(), build);
}

TEST(Learn, BeginsAndEndsWhileAnEnvironmentRuns) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "600"});
    expect_refused(bulkhead({"policy", "learn", "box"}), {1, {"box has learned nothing"}});
    expect_refused(bulkhead({"set", "box", "--mode", "learn", "--allow", "bpf"}), {2, {"alone"}});
    ASSERT_EQ(bulkhead({"set", "box", "--mode", "learn"}).exit_code, 0);
    EXPECT_EQ(bulkhead_json({"status", "box"}).at("mode"), "learn");
    EXPECT_EQ(exec("box", "echo x > /srv/made && cat /etc/hostname").exit_code, 0);
    const auto status = bulkhead_json({"status", "box"});
    EXPECT_GT(status.at("learned"), 3);
    EXPECT_EQ(status.at("unlearned"), 0);
    EXPECT_EQ(status.at("refused"), 0);
    EXPECT_EQ(status.at("audited"), 0);
    ASSERT_EQ(bulkhead({"set", "box", "--mode", "enforce"}).exit_code, 0);
    EXPECT_EQ(exec("box", "cat /etc/shadow").exit_code, 0);
    const Written policy("learned.toml");
    const Outcome written = bulkhead({"policy", "learn", "box", "--output", policy.path()});
    EXPECT_EQ(written.exit_code, 0) << written.err;
    const std::string text = policy.text();
    EXPECT_NE(text.find("\"/srv\","), std::string::npos) << text;
    EXPECT_NE(text.find("\"/etc/hostname\","), std::string::npos) << text;
    EXPECT_EQ(text.find("/etc/shadow"), std::string::npos) << text;
    EXPECT_EQ(bulkhead({"policy", "apply", "box", policy.path()}).exit_code, 0);
    EXPECT_EQ(exec("box", "echo x > /srv/made && cat /etc/hostname").exit_code, 0);
    EXPECT_NE(exec("box", "cat /etc/shadow").exit_code, 0);
}

TEST(Learn, TakesASectionAndLeavesTheOthers) {
    const NothingLeft nothing_left;
    const PolicyFile half("half",
                          "[files]\nmode = \"learn\"\nrefuse = [\"/etc/hostname\"]\n"
                          "[network]\nlisten = []\n");
    const Written policy("learned.toml");
    const Outcome learned =
        run({"--policy", half.path(), "--learn", policy.path()},
            {"bash", "-c",
             "cat /etc/hostname && ! python3 -c 'import socket; s = socket.socket(); "
             "s.bind((\"\", 99))'"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    const std::string text = policy.text();
    EXPECT_NE(text.find("listen = []"), std::string::npos) << text;
    EXPECT_NE(text.find("\"/etc/hostname\","), std::string::npos) << text;
    EXPECT_EQ(text.find("[capabilities]"), std::string::npos) << text;
    EXPECT_EQ(bulkhead({"policy", "check", policy.path()}).exit_code, 0) << text;
    expect_refused(run({"--policy", "web", "--learn", policy.path()}, {"true"}),
                   {125, {"--learn", "does not learn"}});
}

// 70 directories deep.
TEST(Learn, SaysWhatNoRuleCanName) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Outcome learned =
        run({"--learn", policy.path()}, {"python3", "-I", "-c",
                                         "import os\nos.makedirs('/tmp' + '/d' * 70)\n"
                                         "open('/tmp' + '/d' * 70 + '/file', 'w').close()"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    EXPECT_NE(policy.text().find("# NOT IN THE RULES, as no rule can name it: paths, "),
              std::string::npos)
        << policy.text();
    EXPECT_EQ(bulkhead({"policy", "check", policy.path()}).exit_code, 0) << policy.text();
}

TEST(Learn, SaysThatItIsIncompleteWhenTheMapIsFull) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    const Outcome learned = run({"--learn", policy.path()},
                                {"python3", "-c",
                                 "import os\nos.mkdir('/tmp/many')\n"
                                 "for i in range(9000): open('/tmp/many/%d' % i, 'w').close()"});
    EXPECT_EQ(learned.exit_code, 0) << learned.err;
    EXPECT_NE(policy.text().find("# INCOMPLETE: "), std::string::npos) << policy.text();
}

// The profiles that are shipped, with programs that they are for.
void expect_works(const std::string& profile, const std::string& script) {
    const Outcome outcome =
        run({"--name", "works", "--keep", "--policy", profile}, {"bash", "-c", script});
    EXPECT_EQ(outcome.exit_code, 0)
        << profile << ": " << outcome.out << outcome.err << bulkhead({"why", "works"}).out;
    expect_no_refusal("works", profile);
    EXPECT_EQ(bulkhead({"destroy", "works"}).exit_code, 0);
}

TEST(Profiles, WebRunsAServerThatAnswers) {
    const NothingLeft nothing_left;
    expect_works("web",
                 "nginx -g 'daemon off;' & until curl -fsS http://127.0.0.1/ >/tmp/page; do "
                 "sleep 0.2; done; grep -q nginx /tmp/page; nginx -s quit && wait");
}

TEST(Profiles, AgentRunsAnInterpreter) {
    const NothingLeft nothing_left;
    expect_works("agent",
                 "cd && python3 -c 'import pickle; pickle.dump([1], open(\"out\", \"wb\"))' && "
                 "test -s out");
}

TEST(Profiles, MinimalRunsAFilter) {
    const NothingLeft nothing_left;
    expect_works("minimal", "cd /tmp && cp /etc/passwd in && xz -k in && xz -dc in.xz | cmp - in");
}

TEST(Profiles, CiJobRunsWhatItBuilt) {
    const NothingLeft nothing_left;
    expect_works("ci-job",
                 "mkdir /build && cd /build && printf '#!/bin/sh\\necho built\\n' > tool && "
                 "chmod 755 tool && test \"$(./tool)\" = built && tar cf out.tar tool && "
                 "xz out.tar && mv tool /usr/local/bin/");
}

}  // namespace
}  // namespace bulkhead::tests
