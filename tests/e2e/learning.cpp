#include "tests/e2e/learning.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace bulkhead::tests {
namespace {

// With `work` it does what a small service does, with `run SCRIPT` what the shell does for it, with
// `become PROGRAM` it becomes that; with `act FILE NAME…` it does things of which none was done
// before, and prints how they ended.
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

def listen(port, kind=socket.SOCK_STREAM):
    socket.socket(type=kind).bind(("127.0.0.1", port))

def connect(address, port, family=socket.AF_INET):
    socket.socket(family).connect((address, port))

FILE = sys.argv[2] if len(sys.argv) > 2 else ""
ACTS = {
    "read": lambda: open(FILE).read(),
    "list": lambda: os.listdir("/home"),
    "write": lambda: open("/etc/hostname", "a").write("x"),
    "make": lambda: open("/etc/new", "w"),
    "mkdir": lambda: os.mkdir("/opt/new"),
    "mknod": lambda: os.mkfifo("/srv/new"),
    "symlink": lambda: os.symlink("/etc", "/opt/link"),
    "link": lambda: os.link(FILE, "/opt/shadow"),
    "unlink": lambda: os.unlink(FILE),
    "rmdir": lambda: os.rmdir("/opt"),
    "rename": lambda: os.rename(FILE, FILE + "2"),
    "chmod": lambda: os.chmod(FILE, 0o666),
    "truncate": lambda: os.truncate(FILE, 0),
    "execute": lambda: os.execv("/usr/bin/env", ["env"]),
    "drop": lambda: write_program("/tmp/dropped"),
    "memory": run_memory,
    "connect": lambda: connect("127.0.0.1", 81),
    "send": lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53)),
    "serve": lambda: listen(8081),
    "chown": lambda: os.chown("/tmp", 1, 1),
    "chroot": lambda: os.chroot("/tmp"),
    "setuid": lambda: os.setuid(1),
    "utime": lambda: os.utime(FILE),
    "xattr": lambda: os.setxattr(FILE, "user.x", b"1"),
    "append": lambda: open(FILE, "a"),
    "connect6": lambda: connect("::1", 81, socket.AF_INET6),
    "serve-udp": lambda: listen(8082, socket.SOCK_DGRAM),
    "frames": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "device": lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(254, 0)),
}

if sys.argv[1] == "work":
    work()
elif sys.argv[1] == "run":
    sys.exit(subprocess.run(["bash", "-c", sys.argv[2]]).returncode)
elif sys.argv[1] == "become":
    os.execv(sys.argv[2], sys.argv[2:])
elif sys.argv[1] == "wait":
    time.sleep(600)
else:
    for name in sys.argv[3:]:
        try:
            ACTS[name]()
            print(name, "done", flush=True)
        except OSError as error:
            print(name, errno.errorcode[error.errno], flush=True)
)PY";

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
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

void expect_some_refused(const std::string& name, const std::string& file, const Act* acts,
                         std::size_t count) {
    Arguments names = {"act", file};
    std::string expected;
    for (std::size_t i = 0; i < count; ++i) {
        names.push_back(acts[i].name);
        expected += acts[i].name + " EPERM\n";
    }
    const std::uint64_t before = refused(name);
    const Outcome acted = bulkhead(joined({"exec", name, "--"}, app(names)));
    EXPECT_EQ(acted.out, expected) << acted.err;
    EXPECT_GE(refused(name), before + count);
    const std::string why = refusals_of(name);
    for (std::size_t i = 0; i < count; ++i)
        EXPECT_NE(line_about(why, acts[i].why).find(acts[i].by), std::string::npos)
            << acts[i].name << ": " << why;
}

}  // namespace

std::string Written::text() const {
    return read_file(path_);
}

Written::~Written() {
    std::filesystem::remove(path_);
}

// Isolated: the working directory is no place that it looks for modules in.
Arguments app(const Arguments& what) {
    return joined({"python3", "-I", "-c", kApp}, what);
}

std::uint64_t refused(const std::string& name) {
    return bulkhead_json({"status", name}).at("refused").get<std::uint64_t>();
}

void expect_no_refusal(const std::string& name, const std::string& policy) {
    const auto status = bulkhead_json({"status", name});
    EXPECT_EQ(status.at("refused"), 0) << bulkhead({"why", name}).out << read_file(policy);
    EXPECT_EQ(status.at("audited"), 0);
}

void expect_policy(const std::string& policy) {
    const std::string text = read_file(policy);
    for (const char* gap : {"INCOMPLETE", "is refused", "does not compile"})
        EXPECT_EQ(text.find(gap), std::string::npos) << text;
    EXPECT_EQ(bulkhead({"policy", "check", policy}).exit_code, 0) << text;
}

void learn(const std::string& policy, const Arguments& command) {
    const Outcome learned = run({"--learn", policy}, command);
    ASSERT_EQ(learned.exit_code, 0) << learned.out << learned.err;
    expect_policy(policy);
}

void expect_passes(const std::string& policy, const Arguments& command) {
    const Outcome again = run({"--name", "again", "--keep", "--policy", policy}, command);
    EXPECT_EQ(again.exit_code, 0) << again.out << again.err << read_file(policy);
    expect_no_refusal("again", policy);
    EXPECT_EQ(bulkhead({"destroy", "again"}).exit_code, 0);
}

std::vector<Act> acts_outside(const std::string& file, const std::set<std::string>& done) {
    const std::string rule = " by a rule of ", class_alone = " of class ", either = " of ";
    std::vector<Act> acts = {
        {"read", file, rule},
        {"list", "/home", rule},
        {"write", "/etc/hostname", rule},
        {"make", "path_mknod /etc/new", rule},
        {"mkdir", "path_mkdir /opt/new", rule},
        {"mknod", "path_mknod /srv/new", rule},
        {"symlink", "path_symlink /opt/link", rule},
        {"link", "path_link /opt/shadow", rule},
        {"unlink", "path_unlink " + file, rule},
        {"rmdir", "path_rmdir /opt", rule},
        {"rename", "path_rename " + file, rule},
        {"chmod", "inode_setattr " + file, rule},
        {"truncate", "path_truncate " + file, rule},
        {"utime", "inode_setattr " + file, rule},
        {"xattr", "inode_setxattr " + file, rule},
        {"append", "file_open " + file, rule},
        {"execute", "/usr/bin/env", rule},
        {"drop", "/tmp/dropped", rule},
        {"memory", "memfd:program", rule},
        {"connect", "tcp 127.0.0.1:81", rule},
        {"connect6", "tcp [::1]:81", rule},
        {"send", "udp 127.0.0.1:53", rule},
        {"serve", "tcp port 8081", rule},
        {"serve-udp", "udp port 8082", rule},
        {"frames", "socket family 17", class_alone},
        {"device", "/tmp/disk", either},
        {"chown", "capable capability 0", rule},
        {"chroot", "capable capability 18", rule},
        {"setuid", "capable capability 7", rule},
    };
    std::erase_if(acts, [&](const Act& act) { return done.contains(act.name); });
    return acts;
}

void expect_refused_acts(const std::string& name, const std::string& file,
                         const std::vector<Act>& acts) {
    constexpr std::size_t kFewest = 20;
    EXPECT_GE(acts.size(), kFewest);
    // Of `why` there are the last refusals: a few acts at a time.
    constexpr std::size_t kAtOnce = 5;
    for (std::size_t begin = 0; begin < acts.size(); begin += kAtOnce)
        expect_some_refused(name, file, &acts[begin], std::min(kAtOnce, acts.size() - begin));
}

}  // namespace bulkhead::tests
