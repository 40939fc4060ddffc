// Learning on real programs: what a run wrote, the same run by it, and acts that were none of it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

// A policy that a run writes, gone with the object.
class Written {
public:
    explicit Written(const std::string& name) : path_("/tmp/" + name) {}
    Written(const Written&) = delete;
    Written& operator=(const Written&) = delete;
    ~Written();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string text() const;

private:
    std::string path_;
};

// A program that works ("work", "run SCRIPT", "become PROGRAM", "wait") and knows acts that none of
// this is, so that it is part of what is learned and can be asked for them then.
Arguments app(const Arguments& what);

struct Act {
    std::string name;
    std::string why;  // stands in what `why` says of it
    std::string by;   // a rule of the policy, or the class alone
};

// All but those of `done`. `file` is there, and the run has nothing to do with it.
std::vector<Act> acts_outside(const std::string& file, const std::set<std::string>& done = {});

// In the environment `name`, which runs by a policy learned from a run of app(): each is refused
// with EPERM, counted, and `why` tells of it. There are 20 acts or more.
void expect_refused_acts(const std::string& name, const std::string& file,
                         const std::vector<Act>& acts);

// Refusals so far.
std::uint64_t refused(const std::string& name);
void expect_no_refusal(const std::string& name, const std::string& policy);

// That the written policy can be used, and names all that was done.
void expect_policy(const std::string& policy);
void learn(const std::string& policy, const Arguments& command);
// The same run, by the policy that it wrote.
void expect_passes(const std::string& policy, const Arguments& command);

}  // namespace bulkhead::tests
