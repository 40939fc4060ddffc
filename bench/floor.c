/*
 * The floor under every start: the same namespaces, cgroup, mounts and devices as `bulkhead run`
 * makes, by the cheapest calls known, and nothing else: no checks, no state, no policy, no
 * clean-up on failure. What bulkhead costs above this is what bulkhead adds.
 *
 *   floor ROOTFS CGROUP CMD [ARG…]
 *
 * ROOTFS lies on a file system that can be idmapped; CGROUP is the path of a directory to make.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_ID 0x10000000
#define ID_COUNT 65536

static void check(int failed, const char* step) {
    if (failed)
        err(1, "floor: %s", step);
}

static void put(int dir, const char* name, const char* text) {
    int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

    check(fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd), name);
}

static int make_cgroup(const char* path) {
    int fd;

    check(mkdir(path, 0755), path);
    fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    check(fd < 0, path);
    put(fd, "memory.max", "268435456");
    put(fd, "cpu.max", "100000 100000");
    put(fd, "pids.max", "512");
    return fd;
}

static void mount_at(const char* type, const char* target, unsigned long flags, const char* data) {
    check(mount(type, target, type, flags, data), target);
}

static void bind_device(const char* name) {
    char from[32], to[32];

    snprintf(from, sizeof from, "/dev/%s", name);
    snprintf(to, sizeof to, "dev/%s", name);
    close(open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
    check(mount(from, to, NULL, MS_BIND, NULL), to);
}

static void make_dev(void) {
    static const char* const kNodes[] = {"null", "zero", "full", "random", "urandom", "tty"};

    mount_at("tmpfs", "dev", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k");
    for (size_t i = 0; i < sizeof kNodes / sizeof *kNodes; i++)
        bind_device(kNodes[i]);
    check(mkdir("dev/pts", 0755) || mkdir("dev/shm", 01777) || mkdir("dev/mqueue", 01777),
          "directories of dev");
    check(symlink("/proc/self/fd", "dev/fd") || symlink("fd/0", "dev/stdin") ||
              symlink("fd/1", "dev/stdout") || symlink("fd/2", "dev/stderr") ||
              symlink("pts/ptmx", "dev/ptmx"),
          "links of dev");
    mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC,
             "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_at("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777");
    mount_at("mqueue", "dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void enter_root(int tree, const char* root) {
    check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
    check(syscall(SYS_move_mount, tree, "", AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH),
          "move the root");
    check(chdir(root), root);
    mount_at("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount_at("sysfs", "sys", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL);
    mount_at("tmpfs", "tmp", MS_NOSUID | MS_NODEV, "mode=1777");
    make_dev();
    check((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(umount2(".", MNT_DETACH), "leave the old root");
}

static void loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    check(fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request), "loopback");
    close(fd);
}

static int child(int go, int tree, const char* root, char** argv) {
    char byte;

    check(read(go, &byte, 1) != 1, "wait for the mappings");
    check(setresgid(0, 0, 0) || setresuid(0, 0, 0), "become root inside");
    check(unshare(CLONE_NEWCGROUP), "cgroup namespace");
    check(sethostname("floor", 5), "sethostname");
    loopback_up();
    enter_root(tree, root);
    execv(argv[0], argv);
    return 127;
}

static void map_ids(pid_t pid, int tree) {
    struct mount_attr idmap = {.attr_set = MOUNT_ATTR_IDMAP};
    char path[64], map[64];

    snprintf(map, sizeof map, "0 %u %u", FIRST_ID, ID_COUNT);
    snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
    put(AT_FDCWD, path, map);
    snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
    put(AT_FDCWD, path, map);
    snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    int userns = open(path, O_RDONLY | O_CLOEXEC);
    check(userns < 0, path);
    idmap.userns_fd = (unsigned int)userns;
    check((int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &idmap, sizeof idmap),
          "idmap the root");
}

int main(int argc, char** argv) {
    struct clone_args args = {
        .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |
                 CLONE_NEWUSER | CLONE_NEWTIME | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
    };
    int go[2], status;
    pid_t pid;

    if (argc < 4)
        errx(2, "usage: floor ROOTFS CGROUP CMD [ARG...]");
    args.cgroup = (unsigned long)make_cgroup(argv[2]);
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, argv[1], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    check(tree < 0, argv[1]);
    check(pipe2(go, O_CLOEXEC), "pipe");
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    check(pid < 0, "clone3");
    if (pid == 0)
        return child(go[0], tree, argv[1], argv + 3);
    map_ids(pid, tree);
    check(write(go[1], "", 1) != 1, "let it go");
    check(waitpid(pid, &status, 0) != pid, "waitpid");
    check(rmdir(argv[2]), "remove the cgroup");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
