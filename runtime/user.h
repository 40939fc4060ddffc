// Who a process runs as, looked up in the environment's own /etc/passwd and /etc/group.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::runtime {

struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
    std::string name = "root";
    std::string home = "/root";
};

// `wanted`: NAME|UID[:GROUP|GID], empty for root. Reads the files below "/", so it is called
// inside. EINVAL: there is no such user or group.
Result<User> look_up_user(const std::string& wanted);

}  // namespace bulkhead::runtime
