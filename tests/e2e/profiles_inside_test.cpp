// The profiles that give an environment mounts and cgroups of its own: a distribution that boots,
// and containers inside.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/inside.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

// A directory of the host that everybody may write in.
class Given {
public:
    Given() {
        fs::create_directory("/tmp/given");
        std::ofstream("/tmp/given/file") << "given\n";
        fs::permissions("/tmp/given", fs::perms::all);
        fs::permissions("/tmp/given/file", fs::perms::all);
    }
    Given(const Given&) = delete;
    Given& operator=(const Given&) = delete;
    ~Given() { fs::remove_all("/tmp/given"); }

    [[nodiscard]] static std::string content() {
        std::ostringstream text;
        text << std::ifstream("/tmp/given/file").rdbuf();
        return text.str();
    }
    [[nodiscard]] static bool has(const std::string& name) {
        return fs::exists("/tmp/given/" + name);
    }
};

TEST(Profiles, DistroBootsWithSystemd) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sh", "-c", std::string(kSettlePodman) + "exec /sbin/init"},
                       {"--policy", "distro", "--memory", "1G"});
    expect_boots();
    EXPECT_EQ(done("cat /proc/1/comm"), "systemd\n");
    EXPECT_EQ(done("systemd-detect-virt --container"), "container-other\n");

    EXPECT_EQ(done("systemd-run -q --wait --pipe -p PrivateTmp=yes -p ProtectSystem=strict "
                   "-p MemoryMax=64M sh -c 'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
                   "/memory.max; touch /usr/x || echo sealed'"),
              "67108864\nsealed\n");
    EXPECT_NE(done("logger -t sample heard && journalctl --sync && journalctl -q -t sample")
                  .find("heard"),
              std::string::npos);
    EXPECT_EQ(done("mkdir -p /tmp/p/DEBIAN /tmp/p/usr/bin && cd /tmp && "
                   "printf 'Package: sample\\nVersion: 1\\nArchitecture: all\\nMaintainer: a "
                   "<a@b.c>\\nDescription: sample\\n' > p/DEBIAN/control && "
                   "printf '#!/bin/sh\\necho installed\\n' > p/usr/bin/sample && "
                   "chmod 755 p/usr/bin/sample && dpkg-deb -b p sample.deb >/dev/null && "
                   "apt-get install -qq /tmp/sample.deb >/dev/null 2>&1 && sample"),
              "installed\n");

    expect_shuts_down();
}

TEST(Profiles, DistroStaysWithinItsBorder) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "6000"}, {"--policy", "distro", "--memory", "1G"});
    EXPECT_EQ(done("mkdir /mnt/a && mount -t tmpfs t /mnt/a && echo x > /mnt/a/f && cat /mnt/a/f "
                   "&& umount /mnt/a"),
              "x\n");
    EXPECT_EQ(done("unshare -m sh -c 'mount --bind /usr /mnt && ls /mnt/bin/sh'"), "/mnt/bin/sh\n");
    EXPECT_EQ(done("mkdir /sys/fs/cgroup/a && echo $$ > /sys/fs/cgroup/a/cgroup.procs && "
                   "cat /proc/self/cgroup"),
              "0::/a\n");
    expect_no("chmod 666 /sys/fs/cgroup/memory.max", "by rule cgroups (");
    EXPECT_NE(exec("box", "echo max > /sys/fs/cgroup/memory.max").exit_code, 0);
    EXPECT_EQ(done("cat /sys/fs/cgroup/memory.max"), "1073741824\n");
    expect_no("mount -o remount,rw,bind /proc/sys && echo x > /proc/sys/kernel/hostname",
              "by rule sysctl (");
    expect_no("mount -o remount,rw,bind /sys && echo add > /sys/class/net/lo/uevent",
              "by rule kernel_files (");
    expect_no("mknod /dev/disk b 254 0", "by rule devices (");
    EXPECT_EQ(done("unshare -U --map-root-user sh -c 'mount -t tmpfs t /mnt || id -u'"), "0\n")
        << "in the mount namespace of the environment";
    for (const char* act :
         {"date -s 2020-01-01", "mount -t ext4 /dev/vda /mnt", "mount -t debugfs d /mnt",
          "mount -t cgroup -o memory c /mnt", "mount -t bpf b /mnt && ls /mnt"})
        EXPECT_NE(exec("box", act).exit_code, 0) << act;
}

// The machine has not many for all.
TEST(Profiles, DistroMakesOnlySoManyCgroups) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "6000"}, {"--policy", "distro"});
    const Outcome made = exec("box", "cd /sys/fs/cgroup && mkdir $(seq 1 1025)");
    EXPECT_NE(made.exit_code, 0);
    EXPECT_NE(made.err.find("1025"), std::string::npos) << made.err;
    EXPECT_NE(made.err.find("Resource temporarily unavailable"), std::string::npos) << made.err;
    EXPECT_EQ(done("cd /sys/fs/cgroup && ls -d [0-9]* | wc -l"), "1024\n");
    EXPECT_NE(exec("box", "echo max > /sys/fs/cgroup/cgroup.max.descendants").exit_code, 0);
    EXPECT_EQ(done("cat /sys/fs/cgroup/cgroup.max.descendants"), "1024\n");
    EXPECT_EQ(done("cd /sys/fs/cgroup && rmdir [0-9]* && mkdir a && echo made"), "made\n");
}

// A process that is put there would stand still, and whoever waits for it with it.
TEST(Profiles, DistroThatFreezesItsFirstProcessHoldsUpNobody) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "6000"}, {"--policy", "distro"});
    done(
        "mkdir /sys/fs/cgroup/a && cd /sys/fs/cgroup/a && echo 1 > cgroup.procs && "
        "echo 1 > cgroup.freeze && until grep -q 'frozen 1' cgroup.events; do :; done");
    expect_refused(bulkhead({"exec", "box", "--", "/bin/true"}), {125, {"box has frozen", "stop"}});
    EXPECT_EQ(bulkhead({"stop", "box", "--timeout", "1"}).exit_code, 0);
}

// Root inside may change the mount, but not what it was mounted as.
TEST(Profiles, DistroKeepsWhatWasMountedReadOnly) {
    const Given given;
    {
        const NothingLeft nothing_left;
        const Detached box(
            "box", {"sleep", "6000"},
            {"--policy", "distro", "--best-effort", "--mount", "/tmp/given:/given:ro"});
        EXPECT_EQ(done("cat /given/file"), "given\n");
        expect_no("mount -o remount,bind,rw /given && echo changed > /given/file",
                  "by rule files (");
        expect_no("touch /given/new", "by rule files (");
        EXPECT_EQ(done("awk '$2 == \"/given\" { print substr($4, 1, 2) }' /proc/mounts"), "rw\n")
            << "only the fence was in the way";
    }
    EXPECT_EQ(Given::content(), "given\n");
    EXPECT_FALSE(Given::has("new"));
    const Arguments twice = {"--best-effort", "--mount", "/tmp/given:/given:ro", "--mount",
                             "/tmp/given:/again"};
    Arguments by_distro = twice;
    by_distro.insert(by_distro.end(), {"--policy", "distro"});
    expect_refused(run(by_distro, {"true"}), {125, {"--mount /tmp/given", "read-only"}});
    EXPECT_EQ(run(twice, {"true"}).exit_code, 0);
}

// Its files are then on a file system that is also the host's: only mounts of its own lead there,
// those of mount namespaces that it made among them.
TEST(Profiles, DistroMakesMountNamespacesOverARootUsedAsItIs) {
    const fs::path root = "/tmp/root";
    for (const char* directory : {"bin", "dev", "proc", "sys", "run", "tmp", "mnt"})
        fs::create_directories(root / directory);
    fs::copy_file("/bin/busybox", root / "bin/busybox", fs::copy_options::overwrite_existing);
    const std::string script =
        "/bin/busybox mount -t tmpfs t /mnt && "
        "echo made > /mnt/x && /bin/busybox cat /mnt/x";
    const auto in_a_mount_namespace = [&](const Arguments& options) {
        Arguments arguments = {"run", "--best-effort", "--rootfs", root};
        arguments.insert(arguments.end(), options.begin(), options.end());
        arguments.insert(arguments.end(), {"--", "/bin/busybox", "unshare", "-m", "/bin/busybox",
                                           "sh", "-c", script});
        return bulkhead(arguments);
    };
    const Outcome given = in_a_mount_namespace({"--policy", "distro"});
    EXPECT_EQ(given.exit_code, 0) << given.err;
    EXPECT_EQ(given.out, "made\n");
    EXPECT_NE(in_a_mount_namespace({}).exit_code, 0);
    EXPECT_TRUE(fs::is_empty(root / "mnt"));
    fs::remove_all(root);
}

// What it gives is the policy's: the same acts by the default.
TEST(Profiles, DefaultGivesNeitherMountsNorCgroups) {
    const Detached box("box", {"sleep", "6000"});
    for (const char* act : {"mount -t tmpfs t /mnt", "unshare -m true", "mkdir /sys/fs/cgroup/a"})
        EXPECT_NE(exec("box", act).exit_code, 0) << act;
}

// No registry can be reached: the root of the containers is made of what is there.
constexpr const char* kPrepareContainers =
    "mkdir -p /srv/root/bin /srv/root/proc /srv/root/sys /srv/root/dev /srv/root/tmp && "
    "cp /bin/busybox /srv/root/bin/ && "
    "for a in sh cat id; do ln -s busybox /srv/root/bin/$a; done && "
    "printf '[containers]\\ndefault_sysctls = []\\n[engine]\\ncgroup_manager = \"cgroupfs\"\\n' "
    "> /etc/containers/containers.conf";

TEST(Profiles, NestedRunsPodman) {
    const NothingLeft nothing_left;
    const Detached box("box", {"sleep", "6000"}, {"--policy", "nested"});
    done(kPrepareContainers);
    const std::string podman = "podman --storage-driver vfs run --rm --network none ";
    EXPECT_EQ(done(podman + "--rootfs /srv/root sh -c 'echo $$; id -u'"), "1\n0\n");
    EXPECT_EQ(done(podman + "--memory 64m --rootfs /srv/root cat /sys/fs/cgroup/memory.max"),
              "67108864\n");
    EXPECT_EQ(done("podman --storage-driver vfs run --rm --network host --rootfs /srv/root id -u"),
              "0\n");
    expect_no("chmod 666 /sys/fs/cgroup/memory.max", "by rule cgroups (");
}

}  // namespace
}  // namespace bulkhead::tests
