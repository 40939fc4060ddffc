// An environment with rules of [files] on a file system of its own.
#pragma once

#include <string>
#include <vector>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {

// What is beneath `path` in the cases: a file and a directory with a file.
void fill_directory(const Tmpfs& place, const std::string& path);

// Rules on the paths of `place`, for the present and the following generations: each change of the
// control word, as the checks make them, begins one.
class Ruled : public BareEnvironment {
public:
    Ruled(const Tmpfs& place, const std::vector<TreeRule>& rules,
          const std::vector<bh_class>& classes = {BH_CLASS_PATHS},
          const std::string& name = "mine");
    ~Ruled();
    Ruled(const Ruled&) = delete;
    Ruled& operator=(const Ruled&) = delete;

private:
    __u32 first_ = 0;
};

// How a file is opened, by rights. What is opened is closed again.
int read_file(const std::string& path);
int write_file(const std::string& path);
int append_file(const std::string& path);

}  // namespace bulkhead::tests
