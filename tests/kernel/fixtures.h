// What the acts of the cases need: a file system of its own, and results as errno.
#pragma once

#include <linux/types.h>

#include <string>

#include "loader/unique_fd.h"

namespace bulkhead::tests {

// A fresh tmpfs on a directory of its own; gone with the object.
class Tmpfs {
public:
    Tmpfs();
    Tmpfs(const Tmpfs&) = delete;
    Tmpfs& operator=(const Tmpfs&) = delete;
    ~Tmpfs();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }
    // What leaks into an environment in these cases: a descriptor of the directory.
    [[nodiscard]] int directory() const { return directory_.get(); }
    void write(const std::string& name) const;
    void make_directory(const std::string& name) const;
    [[nodiscard]] bool has(const std::string& name) const;

private:
    std::string path_;
    UniqueFd directory_;
};

// super_block.s_dev and the mount namespace's inode number, as bh_environment has them.
__u32 device_of(const std::string& path);
__u32 own_mount_namespace();

// 0, or errno for the negative result of a system call.
int outcome(long result);
// Likewise of what opens a descriptor, which is closed.
int opened(int fd);

// Sends `fd` to itself through a socketpair: 0, or an errno when it did not arrive.
int receive(int fd);

// Rows in bh_objects: what environments own.
unsigned owned_objects();

// True when this kernel has the hook of a program that not all have.
bool has_hook(const std::string& hook);

}  // namespace bulkhead::tests
