// A user namespace for the cases whose acts need one.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {

// A user namespace that stays while the object lives. Its root is the machine's, so that files can
// be made in it.
class UserNamespace {
public:
    UserNamespace()
        : holder_(nullptr, [] { EXPECT_EQ(::unshare(CLONE_NEWUSER), 0) << errno; }),
          fd_(::open(("/proc/" + std::to_string(holder_.pid()) + "/ns/user").c_str(),
                     O_RDONLY | O_CLOEXEC)) {
        for (const char* map : {"/uid_map", "/gid_map"})
            std::ofstream("/proc/" + std::to_string(holder_.pid()) + map) << "0 0 1\n";
    }

    [[nodiscard]] __u32 inode() const {
        struct stat info {};
        EXPECT_EQ(::fstat(fd_.get(), &info), 0);
        return static_cast<__u32>(info.st_ino);
    }
    // 0 or an errno.
    [[nodiscard]] int enter() const { return outcome(::setns(fd_.get(), CLONE_NEWUSER)); }

private:
    Actor holder_;
    UniqueFd fd_;
};

}  // namespace bulkhead::tests
