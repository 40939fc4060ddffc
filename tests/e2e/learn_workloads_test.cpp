// Learning on what people run: a web server, a data base, a build, a distribution that boots. Each
// policy is one that a person reads, lets the same run pass without a refusal, and refuses acts
// that were none of it.
#include <algorithm>
#include <array>

#include "tests/e2e/inside.h"
#include "tests/e2e/learning.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kSecret = "/etc/shadow";

struct Workload {
    std::string script;
    std::ptrdiff_t lines;             // the policy has at most
    std::set<std::string> done = {};  // acts that are no others than its own
    std::vector<std::string> says = {};
};

std::ptrdiff_t lines_of(const std::string& text) {
    return std::ranges::count(text, '\n');
}

void expect_readable(const std::string& text, const Workload& work) {
    EXPECT_LE(lines_of(text), work.lines) << text;
    for (const std::string& line : work.says)
        EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
}

void expect_learned(const Workload& work) {
    const NothingLeft nothing_left;
    const Written policy("learned.toml");
    learn(policy.path(), app({"run", work.script}));
    expect_readable(policy.text(), work);
    expect_passes(policy.path(), app({"run", work.script}));
    const Detached box("app", app({"wait"}), {"--policy", policy.path()});
    expect_refused_acts("app", kSecret, acts_outside(kSecret, work.done));
}

TEST(Learn, WritesThePolicyOfAServer) {
    expect_learned({.script = "nginx -g 'daemon off;' & until sleep 0.5; curl -fsS -o /dev/null "
                              "http://127.0.0.1/; do :; done; nginx -s quit && wait",
                    .lines = 80,
                    .done = {"chown", "setuid"},
                    .says = {"\"/usr/sbin/nginx\",", "\"tcp/80\",", "\"127.0.0.1:80/tcp\","}});
}

// The cluster that the distribution made when it was installed, on Debian's files.
void learn_data_base() {
    expect_learned(
        {.script = "set -e; mkdir -p /run/postgresql; chown postgres: /run/postgresql; cd /; "
                   "echo 'host all all 127.0.0.1/32 trust' > /etc/postgresql/15/main/pg_hba.conf; "
                   "as='setpriv --reuid postgres --regid postgres --clear-groups'; "
                   "bin=/usr/lib/postgresql/15/bin; psql='psql -h 127.0.0.1 -U postgres -qAt -c'; "
                   "main=/var/lib/postgresql/15/main; log=/var/log/postgresql/log; "
                   "conf='-c config_file=/etc/postgresql/15/main/postgresql.conf -c ssl=off'; "
                   "$as $bin/pg_ctl -w -t 120 -D $main -l $log -o \"$conf\" start >/dev/null; "
                   "$psql 'create table t (a int); insert into t select generate_series(1, 1000)'; "
                   "test $($psql 'select sum(a) from t') = 500500; "
                   "$as $bin/pg_ctl -w -t 120 -D $main -m fast stop >/dev/null",
         .lines = 100,
         .done = {"execute", "chown", "setuid"},
         .says = {"\"/var/lib/postgresql/15/main\",", "\"tcp/5432\",", "\"127.0.0.1:5432/tcp\","}});
}

void learn_compiler_build() {
    expect_learned(
        {.script =
             "set -e; mkdir -p /build/source && cd /build/source; "
             "printf 'cmake_minimum_required(VERSION 3.25)\\nproject(sample C)\\n"
             "add_library(sum STATIC sum.c)\\nadd_executable(sample main.c)\\n"
             "target_link_libraries(sample sum)\\n' > CMakeLists.txt; "
             "echo 'int sum(int a, int b) { return a + b; }' > sum.c; "
             "echo 'int sum(int, int); int main(void) { return sum(20, 22) != 42; }' > main.c; "
             "cmake -S . -B /build/out >/dev/null; cmake --build /build/out >/dev/null; "
             "/build/out/sample",
         .lines = 100,
         .done = {"execute"},
         .says = {"\"/build\",", "drift stays allowed"}});
}

// The shutdown is a part of the run.
void learn_distribution_that_boots() {
    const NothingLeft nothing_left;
    const Workload work{.script = std::string(kSettlePodman) + "exec /sbin/init",
                        .lines = 120,
                        .done = {"write", "make", "execute", "chown", "chroot", "setuid"},
                        .says = {"family = \"allow\"", "cgroups = \"own\""}};
    const Arguments boot = app({"become", "/bin/sh", "-c", work.script});
    const Written policy("learned.toml");
    {
        const PolicyFile distro("distro", "extends = \"distro\"\nmode = \"learn\"\n");
        const Detached box("box", boot, {"--policy", distro.path(), "--memory", "1G"});
        expect_boots();
        expect_shuts_down();
        EXPECT_EQ(bulkhead({"policy", "learn", "box", "--output", policy.path()}).exit_code, 0);
    }
    expect_policy(policy.path());
    expect_readable(policy.text(), work);
    EXPECT_EQ(policy.text().find("\n# These cross"), std::string::npos) << policy.text();
    const Detached box("box", boot, {"--policy", policy.path(), "--memory", "1G"});
    expect_boots();
    expect_no_refusal("box", policy.path());
    constexpr const char* kUnused = "/var/lib/dpkg/status";
    expect_refused_acts("box", kUnused, acts_outside(kUnused, work.done));
    const std::uint64_t before = refused("box");
    expect_shuts_down();
    EXPECT_EQ(refused("box"), before) << bulkhead({"why", "box"}).out;
}

// They take the longest: each kernel has one of them, the matrix has all.
TEST(Learn, WritesThePolicyOfALargeProgram) {
    constexpr std::array kPrograms = {learn_data_base, learn_distribution_that_boots,
                                      learn_compiler_build, learn_data_base};
    kPrograms.at(number_of_kernel(kPrograms.size()))();
}

}  // namespace
}  // namespace bulkhead::tests
