#include "runtime/tree_places.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <sstream>
#include <utility>

namespace bulkhead::runtime {
namespace {

constexpr unsigned kMinorBits = 20;

using Names = std::vector<std::string>;

Names names_of(std::string_view path) {
    Names names;
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (end > begin)
            names.emplace_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    return names;
}

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

// What is shown was removed: its names are still what they were.
std::string without_deleted(std::string path) {
    constexpr std::string_view kDeleted = "//deleted";
    if (path.ends_with(kDeleted))
        path.erase(path.size() - kDeleted.size());
    return path;
}

// What is said of a place.
struct Said {
    std::uint32_t rule = 0;
    std::uint32_t rights = 0;
    bool is_named = false;
};

using Place = std::pair<std::uint32_t, Names>;  // super block, and names from its root on

class Placement {
public:
    Placement(const std::vector<MountPoint>& mounts, const std::vector<RulePath>& rules,
              const DefaultRights& otherwise)
        : mounts_(mounts), rules_(rules), otherwise_(otherwise) {}

    Result<loader::PlacedTree> make(std::uint32_t& wrong) {
        for (const MountPoint& mount : mounts_)
            say({mount.dev, names_of(mount.root)}, above(mount.path));
        for (const RulePath& rule : rules_) {
            wrong = rule.rule;
            BULKHEAD_TRY_VALUE(place, place_of(rule));
            if (place.second.size() > BH_MAX_NODE_DEPTH)
                return fail(too_deep("it", place.second.size()));
            say(place, {rule.rule, rule.rights, true});
        }
        wrong = 0;
        for (const auto& [place, said] : said_) {
            if (place.second.size() > BH_MAX_NODE_DEPTH)
                return fail(too_deep("a mount", place.second.size()));
        }
        return build();
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

    // What a path has that no rule names: from the longest rule above it.
    [[nodiscard]] Said above(std::string_view path) const {
        const RulePath* longest = nullptr;
        for (const RulePath& rule : rules_) {
            if (is_beneath(path, rule.path) &&
                (longest == nullptr || rule.path.size() > longest->path.size()))
                longest = &rule;
        }
        return longest != nullptr ? Said{longest->rule, longest->rights, false}
                                  : Said{otherwise_.rule, otherwise_.rights, false};
    }

    Result<Place> place_of(const RulePath& rule) const {
        const auto mount = std::find_if(mounts_.begin(), mounts_.end(), [&](const MountPoint& one) {
            return one.id == rule.mount;
        });
        if (mount == mounts_.end() || !is_beneath(rule.path, mount->path))
            return fail(Error(ESTALE, "what is mounted at " + rule.path + " changes meanwhile")
                            .advise("try again when it does not"));
        Place place{mount->dev, names_of(mount->root)};
        for (std::string& name : names_of(
                 std::string_view(rule.path).substr(mount->path == "/" ? 0 : mount->path.size())))
            place.second.push_back(std::move(name));
        return place;
    }

    void say(const Place& place, const Said& said) {
        const auto [found, is_new] = said_.try_emplace(place, said);
        if (is_new || found->second.is_named > said.is_named)
            return;
        if (said.is_named > found->second.is_named) {
            found->second = said;
            return;
        }
        const std::uint32_t both = found->second.rights & said.rights;
        if (both != found->second.rights)
            found->second.rule = said.rule;
        found->second.rights = both;
    }

    // In order, so that what lies above a place stands already.
    loader::PlacedTree build() {
        add_root(0, {otherwise_.rule, otherwise_.rights, false});
        for (const auto& [place, said] : said_) {
            const auto& [dev, names] = place;
            if (tree_.roots.back().dev != dev)
                add_root(dev, names.empty() ? said : Said{});
            std::uint32_t node = tree_.roots.back().node;
            for (const std::string& name : names)
                node = child(node, name);
            tree_.nodes[node].rule = said.rule;
            tree_.nodes[node].rights = said.rights;
            if (said.is_named)
                tree_.nodes[node].flags = BH_NODE_NAMED;
        }
        return std::move(tree_);
    }

    void add_root(std::uint32_t dev, const Said& said) {
        const auto node = static_cast<std::uint32_t>(tree_.nodes.size());
        tree_.nodes.push_back({node, "", said.rule, said.rights, 0});
        tree_.roots.push_back({dev, node});
    }

    std::uint32_t child(std::uint32_t parent, const std::string& name) {
        const auto next = static_cast<std::uint32_t>(tree_.nodes.size());
        const auto [found, is_new] = children_.try_emplace({parent, name}, next);
        if (is_new) {
            const loader::PlacedNode& above = tree_.nodes[parent];
            tree_.nodes.push_back({parent, name, above.rule, above.rights, 0});
        }
        return found->second;
    }

    const std::vector<MountPoint>& mounts_;
    const std::vector<RulePath>& rules_;
    const DefaultRights& otherwise_;
    std::map<Place, Said> said_;
    std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> children_;
    loader::PlacedTree tree_;
};

}  // namespace

std::vector<MountPoint> parse_mounts(std::string_view text) {
    std::vector<MountPoint> mounts;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        MountPoint mount;
        std::uint64_t parent = 0;
        std::uint32_t major = 0, minor = 0;
        char colon = 0;
        std::string root, path;
        if (!(fields >> mount.id >> parent >> major >> colon >> minor >> root >> path) ||
            !root.starts_with('/'))
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
