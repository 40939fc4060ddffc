// A machine that lacks something: each time one message that says what and the remedy, and
// nothing is left behind.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

const Arguments kTrue = {"/bin/true"};

// Any failure here would let the test pass or fail for a reason of its own.
void must(bool done, const char* what) {
    if (done)
        return;
    std::perror(what);
    ::_exit(98);
}

void own_mounts() {
    must(::unshare(CLONE_NEWNS) == 0, "unshare");
    must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "make / private");
}

void cover(const char* path, const char* options = "") {
    must(::mount("tmpfs", path, "tmpfs", 0, options) == 0, path);
}

Setting without(const char* path) {
    return {[path] {
        own_mounts();
        must(::umount2(path, MNT_DETACH) == 0, path);
    }};
}

TEST(PoorMachine, WithoutCgroup2) {
    const NothingLeft nothing_left;
    const Setting setting = {[] {
        own_mounts();
        cover("/sys/fs/cgroup");
    }};
    expect_refused(run({}, kTrue, setting), {125, {"/sys/fs/cgroup", "cgroup2"}});
}

// The cgroup file system's root is a cgroup to which no controller was handed down.
TEST(PoorMachine, WithoutControllers) {
    const NothingLeft nothing_left;
    const std::string bare = "/sys/fs/cgroup/e2e-bare";
    fs::create_directories(bare + "/inner");
    const Setting setting = {[bare] {
        own_mounts();
        must(::mount((bare + "/inner").c_str(), "/sys/fs/cgroup", nullptr, MS_BIND, nullptr) == 0,
             "bind");
    }};
    expect_refused(run({}, kTrue, setting), {125, {"controller", "memory", "pids"}});
    fs::remove(bare + "/inner");
    fs::remove(bare);
}

TEST(PoorMachine, WithoutBpffs) {
    const NothingLeft nothing_left;
    expect_refused(run({}, kTrue, without("/sys/fs/bpf")),
                   {125, {"/sys/fs/bpf", "mount -t bpf bpf /sys/fs/bpf"}});
    expect_refused(bulkhead({"load"}, without("/sys/fs/bpf")),
                   {3, {"/sys/fs/bpf", "mount -t bpf bpf /sys/fs/bpf"}});
}

// To which nothing is loaded: with another bpffs.
TEST(PoorMachine, WithoutBtf) {
    const NothingLeft nothing_left;
    const Setting setting = {[] {
        own_mounts();
        cover("/sys/kernel/btf");
        must(::mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) == 0, "bpffs");
    }};
    expect_refused(run({}, kTrue, setting), {125, {"BTF", "CONFIG_DEBUG_INFO_BTF"}});
    expect_refused(bulkhead({"load"}, setting), {3, {"BTF", "CONFIG_DEBUG_INFO_BTF"}});
}

// What is loaded needs no BTF any more.
TEST(PoorMachine, WithoutBtfWhatIsLoadedStays) {
    const NothingLeft nothing_left;
    const Setting setting = {[] {
        own_mounts();
        cover("/sys/kernel/btf");
    }};
    const Outcome loaded = bulkhead({"load"}, setting);
    EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
    EXPECT_EQ(loaded.out, "loaded already\n");
}

// As a kernel without CONFIG_KALLSYMS_ALL has it.
TEST(PoorMachine, WithoutTheKernelsSymbols) {
    const NothingLeft nothing_left;
    const Detached web("web", {"/bin/sleep", "1000"});
    std::ofstream("/run/poor-kallsyms") << "ffffffff81000000 T _stext\n";
    const Setting setting = {[] {
        own_mounts();
        must(::mount("/run/poor-kallsyms", "/proc/kallsyms", nullptr, MS_BIND, nullptr) == 0,
             "bind");
    }};
    expect_refused(bulkhead({"set", "web", "--budget", "cpu=1h/1d"}, setting),
                   {3, {"budget of CPU time", "CONFIG_KALLSYMS_ALL"}});
    EXPECT_TRUE(bulkhead_json({"budget", "web"}).at("budgets").empty());
    const Outcome egress = bulkhead({"set", "web", "--budget", "egress=1G/1d"}, setting);
    EXPECT_EQ(egress.exit_code, 0) << egress.err;
    fs::remove("/run/poor-kallsyms");
}

TEST(PoorMachine, WithoutPrivilege) {
    const NothingLeft nothing_left;
    const Setting nobody = {[] {
        must(::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0,
             "become nobody");
    }};
    expect_refused(run({}, kTrue, nobody), {125, {"root"}});
    for (const char* command : {"load", "unload", "list"})
        expect_refused(bulkhead({command}, nobody), {1, {"root"}});
    const Outcome doctor = bulkhead({"doctor"}, nobody);
    EXPECT_EQ(doctor.exit_code, 3);
    EXPECT_NE(doctor.out.find("sudo bulkhead doctor"), std::string::npos) << doctor.out;
}

// The state folder lies on a full file system.
TEST(PoorMachine, WithAFullDisk) {
    const NothingLeft nothing_left;
    const Setting setting = {[] {
        own_mounts();
        cover("/run/bulkhead", "size=4k,nr_inodes=8");
        const int filler = ::open("/run/bulkhead/filler", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        char block[4096] = {1};
        while (::write(filler, block, sizeof block) > 0)
            continue;
    }};
    expect_refused(run({}, kTrue, setting), {125, {"/run/bulkhead", "No space left on device"}});
}

TEST(PoorMachine, WithAReadOnlyStateFolder) {
    const NothingLeft nothing_left;
    const Setting setting = {[] {
        own_mounts();
        cover("/run/bulkhead", "ro");
    }};
    expect_refused(run({}, kTrue, setting), {125, {"/run/bulkhead", "Read-only file system"}});
}

}  // namespace
}  // namespace bulkhead::tests
