#include "tests/kernel/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {

UserNamespace::UserNamespace()
    : holder_(nullptr, [] { EXPECT_EQ(::unshare(CLONE_NEWUSER), 0) << errno; }),
      fd_(::open(("/proc/" + std::to_string(holder_.pid()) + "/ns/user").c_str(),
                 O_RDONLY | O_CLOEXEC)) {
    for (const char* map : {"/uid_map", "/gid_map"})
        std::ofstream("/proc/" + std::to_string(holder_.pid()) + map) << "0 0 1\n";
}

__u32 UserNamespace::inode() const {
    struct stat info {};
    EXPECT_EQ(::fstat(fd_.get(), &info), 0);
    return static_cast<__u32>(info.st_ino);
}

int UserNamespace::enter() const {
    return outcome(::setns(fd_.get(), CLONE_NEWUSER));
}

}  // namespace bulkhead::tests
