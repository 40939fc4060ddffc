// The paths that a run used as a tree, on the way to the rules of [files].
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::policy {

// Each gives what the ones before it give.
enum class Access : std::uint8_t { kNone, kRead, kAppend, kWrite };

struct PathNode {
    PathNode* parent = nullptr;
    std::string name;
    std::map<std::string, std::unique_ptr<PathNode>, std::less<>> children;

    Access access = Access::kNone;  // that a rule here has to give
    bool runs = false;
    // What the rule stands for, beside the path itself.
    std::size_t files = 0;
    std::size_t named = 0;     // of them made, removed or moved
    std::size_t programs = 0;  // with libraries
    bool is_listed = false;    // a directory that was read
    bool is_mounted = false;   // something was mounted there meanwhile
    bool has_links = false;    // a file in it has several names

    [[nodiscard]] PathNode* child(std::string_view wanted) const;
    PathNode& make_child(const std::string& wanted);
    [[nodiscard]] std::size_t depth() const;  // of the root: 0
    [[nodiscard]] std::string path() const;   // of the root: "/"
    // What a rule here or further up gives.
    [[nodiscard]] bool runs_here() const;
    // Whether a rule is needed here or beneath.
    [[nodiscard]] bool needs_access() const;

    // Rules beneath that this one's make needless go, and count here.
    void absorb_access();
    void absorb_programs();
};

std::vector<std::string> names_of_path(std::string_view path);

}  // namespace bulkhead::policy
