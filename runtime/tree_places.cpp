#include "runtime/tree_places.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/policy/child_index.h"

namespace bulkhead::runtime {
namespace {

constexpr unsigned kMinorBits = 20;

bool is_beneath(std::string_view path, std::string_view above) {
    if (above == "/")
        return true;
    return path.starts_with(above) && (path.size() == above.size() || path[above.size()] == '/');
}

// mountinfo writes blanks, tabs, line ends and backslashes as three octal digits.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 3 >= text.size()) {
            plain += text[i];
            continue;
        }
        plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                   (text[i + 3] - '0'));
        i += 3;
    }
    return plain;
}

// Takes what comes before `end` off the text, and `end` too.
std::string_view take_until(std::string_view& text, char end) {
    const std::size_t size = std::min(text.find(end), text.size());
    const std::string_view part = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    return part;
}

template <typename Number>
bool take_number(std::string_view& text, char end, Number& number) {
    const std::string_view part = take_until(text, end);
    const auto [last, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    return error == std::errc() && last == part.data() + part.size();
}

// What is shown was removed: its names are still what they were.
std::string without_deleted(std::string path) {
    constexpr std::string_view kDeleted = "//deleted";
    if (path.ends_with(kDeleted))
        path.erase(path.size() - kDeleted.size());
    return path;
}

// What holds.
struct Said {
    std::uint32_t rule = 0;
    std::uint32_t rights = 0;
    bool is_named = false;
};

// A node, and how many names lead to it from its root.
struct Place {
    std::uint32_t node = 0;
    std::size_t depth = 0;
};

// Makes the nodes of all paths first, with what is said of each, then from the roots down what
// holds at those of which nothing is said.
class Placement {
public:
    Placement(const std::vector<MountPoint>& mounts, const std::vector<RulePath>& rules,
              const DefaultRights& otherwise)
        : mounts_(mounts), rules_(rules), otherwise_(otherwise) {}

    Result<loader::PlacedTree> make(std::uint32_t& wrong) {
        const std::size_t likely = 2 * (mounts_.size() + rules_.size());
        tree_.nodes.reserve(likely);
        said_.reserve(likely);
        note_rules_above_mounts();
        add_root(0);
        say(0, {otherwise_.rule, otherwise_.rights, false});
        std::size_t deepest_mount = 0;
        for (const MountPoint& mount : mounts_) {
            const Place place = walk({root_of(mount.dev), 0}, mount.root);
            say(place.node, above(mount.path));
            deepest_mount = std::max(deepest_mount, place.depth);
        }
        for (const RulePath& rule : rules_) {
            wrong = rule.rule;
            BULKHEAD_TRY_VALUE(place, place_of(rule));
            if (place.depth > BH_MAX_NODE_DEPTH)
                return fail(too_deep("it", place.depth));
            say(place.node, {rule.rule, rule.rights, true});
        }
        wrong = 0;
        if (deepest_mount > BH_MAX_NODE_DEPTH)
            return fail(too_deep("a mount", deepest_mount));
        settle();
        return std::move(tree_);
    }

private:
    static Error too_deep(const std::string& what, std::size_t depth) {
        return Error(0,
                     what + " lies " + std::to_string(depth) +
                         " directories deep on its file system, more than " +
                         std::to_string(BH_MAX_NODE_DEPTH),
                     Fault::kUsage)
            .advise("name a directory further up, or mount it from further up");
    }

    void note_rules_above_mounts() {
        std::size_t longest = 0;
        for (const MountPoint& mount : mounts_)
            longest = std::max(longest, mount.path.size());
        for (const RulePath& rule : rules_) {
            if (rule.path.size() <= longest)
                short_rules_.push_back(&rule);
        }
    }

    // What a mount's path has that no rule names: from the longest rule above it.
    [[nodiscard]] Said above(std::string_view path) const {
        const RulePath* longest = nullptr;
        for (const RulePath* rule : short_rules_) {
            if (is_beneath(path, rule->path) &&
                (longest == nullptr || rule->path.size() > longest->path.size()))
                longest = rule;
        }
        return longest != nullptr ? Said{longest->rule, longest->rights, false}
                                  : Said{otherwise_.rule, otherwise_.rights, false};
    }

    // Rules mostly name much in one directory, one after the other.
    Result<Place> place_of(const RulePath& rule) {
        const std::string_view path = rule.path;
        const std::string_view directory = path.substr(0, path.rfind('/'));
        if (directory_mount_ == rule.mount && !directory.empty() && directory == directory_)
            return walk(directory_place_, path.substr(directory.size()));
        const auto mount = std::find_if(mounts_.begin(), mounts_.end(), [&](const MountPoint& one) {
            return one.id == rule.mount;
        });
        if (mount == mounts_.end() || !is_beneath(rule.path, mount->path))
            return fail(Error(ESTALE, "what is mounted at " + rule.path + " changes meanwhile")
                            .advise("try again when it does not"));
        const Place shown = walk({root_of(mount->dev), 0}, mount->root);
        const std::size_t above = mount->path == "/" ? 0 : mount->path.size();
        if (directory.size() < above)
            return shown;
        directory_ = directory;
        directory_mount_ = rule.mount;
        directory_place_ = walk(shown, directory.substr(above));
        return walk(directory_place_, path.substr(directory.size()));
    }

    // The place of a path beneath `from`, made with all above it.
    Place walk(Place from, std::string_view path) {
        for (std::size_t begin = 0; begin < path.size();) {
            const std::size_t end = std::min(path.find('/', begin), path.size());
            if (end > begin)
                from = {child(from.node, path.substr(begin, end - begin)), from.depth + 1};
            begin = end + 1;
        }
        return from;
    }

    std::uint32_t child(std::uint32_t parent, std::string_view name) {
        // The text of mounts and rules stays where it is.
        const auto fresh = static_cast<std::uint32_t>(tree_.nodes.size());
        const std::uint32_t node = children_.find_or_add(parent, name, fresh);
        if (node == fresh) {
            tree_.nodes.push_back({parent, std::string(name), 0, 0, 0});
            said_.emplace_back();
        }
        return node;
    }

    std::uint32_t root_of(std::uint32_t dev) {
        for (const loader::PlacedRoot& root : tree_.roots) {
            if (root.dev == dev)
                return root.node;
        }
        return add_root(dev);
    }

    std::uint32_t add_root(std::uint32_t dev) {
        const auto node = static_cast<std::uint32_t>(tree_.nodes.size());
        tree_.nodes.push_back({node, "", 0, 0, 0});
        tree_.roots.push_back({dev, node});
        said_.emplace_back();
        return node;
    }

    void say(std::uint32_t node, const Said& more) {
        std::optional<Said>& said = said_[node];
        said = said ? both(*said, more) : more;
    }

    static Said both(const Said& first, const Said& second) {
        if (first.is_named != second.is_named)
            return first.is_named ? first : second;
        const std::uint32_t rights = first.rights & second.rights;
        return {rights == first.rights ? first.rule : second.rule, rights, first.is_named};
    }

    // What is not said of a node it has from above; of a root: it gives nothing.
    void settle() {
        for (std::size_t i = 0; i < tree_.nodes.size(); ++i) {
            loader::PlacedNode& node = tree_.nodes[i];
            const loader::PlacedNode& above = tree_.nodes[node.parent];
            node.rule = said_[i] ? said_[i]->rule : above.rule;
            node.rights = said_[i] ? said_[i]->rights : above.rights;
            if (said_[i] && said_[i]->is_named)
                node.flags = BH_NODE_NAMED;
        }
    }

    const std::vector<MountPoint>& mounts_;
    const std::vector<RulePath>& rules_;
    const DefaultRights& otherwise_;
    std::vector<const RulePath*> short_rules_;  // that may be above a mount
    // Of the last rule: what leads to its last name.
    std::string_view directory_;
    std::uint64_t directory_mount_ = 0;
    Place directory_place_;
    policy::ChildIndex children_;
    std::vector<std::optional<Said>> said_;  // by node
    loader::PlacedTree tree_;
};

}  // namespace

std::vector<MountPoint> parse_mounts(std::string_view text) {
    std::vector<MountPoint> mounts;
    while (!text.empty()) {
        std::string_view line = take_until(text, '\n');
        MountPoint mount;
        std::uint32_t major = 0, minor = 0;
        bool is_mount = take_number(line, ' ', mount.id);
        (void)take_until(line, ' ');  // its parent
        is_mount = is_mount && take_number(line, ':', major) && take_number(line, ' ', minor);
        const std::string_view root = take_until(line, ' '), path = take_until(line, ' ');
        if (!is_mount || !root.starts_with('/') || path.empty())
            continue;
        mount.dev = major << kMinorBits | minor;
        mount.root = without_deleted(unescaped(root));
        mount.path = unescaped(path);
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

Result<loader::PlacedTree> place(const std::vector<MountPoint>& mounts,
                                 const std::vector<RulePath>& rules, const DefaultRights& otherwise,
                                 std::uint32_t& wrong) {
    return Placement(mounts, rules, otherwise).make(wrong);
}

}  // namespace bulkhead::runtime
