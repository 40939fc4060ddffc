// Acts by a program that is not the one that protects: a copy of this one, with a file of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {

using Words = std::vector<std::string>;

// The act of that name; 0 or an errno. Some go on until they are killed.
int act_by_name(const Words& words);

// An executable of its own, with the same acts.
class Copy {
public:
    explicit Copy(const std::string& name);

    [[nodiscard]] const std::string& path() const { return path_; }
    // Executed, and waited for; -1 when it crashed.
    [[nodiscard]] int act(const Words& words) const;
    // Executed, and left to go on.
    [[nodiscard]] pid_t start(const Words& words) const;

private:
    Tmpfs place_;
    std::string path_;
};

// An act by the program that runs the tests, executed anew.
int act_by_ourselves(const Words& words);

}  // namespace bulkhead::tests
