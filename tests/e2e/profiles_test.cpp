// The profiles that ship, each with the programs that it is for.
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/inside.h"

namespace bulkhead::tests {
namespace {

class Box {
public:
    explicit Box(const std::string& policy)
        : box_("box", {"sleep", "6000"}, {"--policy", policy}) {}

private:
    NothingLeft nothing_left_;
    Detached box_;
};

// The same, as soon as a server is there.
std::string done_in_time(const std::string& script) {
    constexpr int kSeconds = 120;
    EXPECT_TRUE(eventually([&] { return exec("box", script).exit_code == 0; }, kSeconds)) << script;
    return done(script);
}

TEST(Profiles, WebServesPagesRowsAndKeys) {
    const Box box("web");
    done("mkdir -p /var/www/html && echo a page > /var/www/html/page && nginx");
    EXPECT_EQ(done_in_time("curl -sf http://127.0.0.1/page"), "a page\n");

    done(
        "mkdir /var/lib/rows /run/postgresql && chown postgres: /var/lib/rows /run/postgresql && "
        "cd / && "
        "as='setpriv --reuid postgres --regid postgres --clear-groups' && "
        "$as /usr/lib/postgresql/15/bin/initdb -D /var/lib/rows >/dev/null && "
        "$as /usr/lib/postgresql/15/bin/pg_ctl -D /var/lib/rows -l /var/lib/rows/log start "
        ">/dev/null || { cat /var/lib/rows/log; exit 1; }");
    const std::string psql = "psql -h 127.0.0.1 -U postgres -v ON_ERROR_STOP=1 -qAt -c ";
    done_in_time(psql + "'create table if not exists t (a int)'");
    done(psql + "'insert into t select generate_series(1, 1000)'");
    EXPECT_EQ(done(psql + "'select sum(a) from t'"), "500500\n");

    done("redis-server --daemonize yes --dir /var/lib/redis >/dev/null");
    EXPECT_EQ(done_in_time("redis-cli set key value"), "OK\n");
    EXPECT_EQ(done("redis-cli save && redis-cli get key"), "OK\nvalue\n");

    expect_no("curl -s --max-time 5 http://192.0.2.7/", "[network] default \"refuse\"");
    expect_no("redis-server --port 81", "[network] listen");
    expect_no(
        "echo '#!/bin/sh' > /var/www/html/x && chmod +x /var/www/html/x && "
        "/var/www/html/x",
        "[files] execute");
    expect_no("ls /root", "[files] refuse \"/root\"");
}

TEST(Profiles, CiJobBuildsAndRunsWhatItBuilt) {
    const Box box("ci-job");
    const std::string project =
        "mkdir -p /home/job && cd /home/job && "
        "echo 'int puts(const char *); int main(void) { return puts(\"built\") < 0; }' > a.c && "
        "printf 'a: a.c\\n\\tgcc -O2 -o $@ $<\\n' > Makefile && make -s && ./a";
    EXPECT_EQ(done(project), "built\n");
    expect_no("busybox nc -l -p 81", "[network] listen");
    expect_no("setarch --addr-no-randomize true", "[processes] personality");
}

TEST(Profiles, AgentRunsPythonAndNodeWithAListOfAddresses) {
    const PolicyFile list("list",
                          "extends = \"agent\"\n[network]\nallow = [\"192.0.2.0/24:443/tcp\"]\n");
    const Box box(list.path());
    // Nothing answers there: the network is the loopback alone. What the list gives gets as far as
    // the routing table.
    const std::string python =
        "python3 -c 'import socket, sys\n"
        "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)\n"
        "except OSError as e: print(e.errno)' ";
    EXPECT_EQ(done(python + "192.0.2.7 443"), "101\n");
    EXPECT_EQ(done(python + "192.0.2.7 80"), "1\n");
    EXPECT_EQ(done(python + "198.51.100.7 443"), "1\n");
    const std::string node =
        "node -e 'require(\"net\").connect(process.argv[2], process.argv[1])"
        ".on(\"error\", e => console.log(e.code))' ";
    EXPECT_EQ(done(node + "192.0.2.7 443"), "ENETUNREACH\n");
    EXPECT_EQ(done(node + "198.51.100.7 443"), "EPERM\n");
    EXPECT_EQ(done("node -e 'let s = 0; for (let i = 0; i < 1e6; i++) s += i; console.log(s)'"),
              "499999500000\n");
    EXPECT_EQ(done("echo 'print(6 * 7)' > /tmp/a.py && python3 /tmp/a.py"), "42\n");
    expect_no("cp /usr/bin/true /tmp/t && /tmp/t", "[files] execute");
}

TEST(Profiles, MinimalComputesAndKeepsToItself) {
    const Box box("minimal");
    EXPECT_EQ(done("echo 6 7 | awk '{ print $1 * $2 }' > /tmp/x && cat /tmp/x"), "42\n");
    expect_no("touch /etc/new", "[files] default \"read\"");
    expect_no("curl -s --max-time 5 http://192.0.2.7/", "[network] default \"refuse\"");
}

}  // namespace
}  // namespace bulkhead::tests
