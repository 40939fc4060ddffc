#include "runtime/tree_places.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

namespace bulkhead::runtime {
namespace {

constexpr unsigned kMinorBits = 20;

// The names of a path with a zero byte behind each: in the order of these texts what lies beneath a
// place follows it at once.
using Names = std::string;

void append_names(Names& names, std::string_view path) {
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (end > begin)
            names.append(path, begin, end - begin) += '\0';
        begin = end + 1;
    }
}

std::size_t count(const Names& names) {
    return static_cast<std::size_t>(std::count(names.begin(), names.end(), '\0'));
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

// What is said of a place.
struct Saying {
    std::uint32_t dev = 0;  // its super block
    Names names;            // from the root of that on
    Said said;
};

bool is_before(const Saying& a, const Saying& b) {
    return a.dev != b.dev ? a.dev < b.dev : a.names < b.names;
}

class Placement {
public:
    Placement(const std::vector<MountPoint>& mounts, const std::vector<RulePath>& rules,
              const DefaultRights& otherwise)
        : mounts_(mounts), rules_(rules), otherwise_(otherwise) {}

    Result<loader::PlacedTree> make(std::uint32_t& wrong) {
        said_.reserve(mounts_.size() + rules_.size());
        for (const MountPoint& mount : mounts_) {
            Saying& saying = said_.emplace_back(Saying{mount.dev, {}, above(mount.path)});
            append_names(saying.names, mount.root);
        }
        for (const RulePath& rule : rules_) {
            wrong = rule.rule;
            BULKHEAD_TRY_VALUE(saying, say(rule));
            if (const std::size_t depth = count(saying.names); depth > BH_MAX_NODE_DEPTH)
                return fail(too_deep("it", depth));
            said_.push_back(std::move(saying));
        }
        wrong = 0;
        for (std::size_t i = 0; i < mounts_.size(); ++i) {
            if (const std::size_t depth = count(said_[i].names); depth > BH_MAX_NODE_DEPTH)
                return fail(too_deep("a mount", depth));
        }
        std::stable_sort(said_.begin(), said_.end(), is_before);
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

    Result<Saying> say(const RulePath& rule) const {
        const auto mount = std::find_if(mounts_.begin(), mounts_.end(), [&](const MountPoint& one) {
            return one.id == rule.mount;
        });
        if (mount == mounts_.end() || !is_beneath(rule.path, mount->path))
            return fail(Error(ESTALE, "what is mounted at " + rule.path + " changes meanwhile")
                            .advise("try again when it does not"));
        Saying saying{mount->dev, {}, {rule.rule, rule.rights, true}};
        append_names(saying.names, mount->root);
        append_names(saying.names, std::string_view(rule.path).substr(
                                       mount->path == "/" ? 0 : mount->path.size()));
        return saying;
    }

    static Said both(const Said& first, const Said& second) {
        if (first.is_named != second.is_named)
            return first.is_named ? first : second;
        const std::uint32_t rights = first.rights & second.rights;
        return {rights == first.rights ? first.rule : second.rule, rights, first.is_named};
    }

    loader::PlacedTree build() {
        tree_.nodes.reserve(2 * said_.size());
        add_root(0, {otherwise_.rule, otherwise_.rights, false});
        for (std::size_t i = 0; i < said_.size();) {
            const Saying& place = said_[i];
            Said said = place.said;
            for (++i; i < said_.size() && !is_before(place, said_[i]); ++i)
                said = both(said, said_[i].said);
            add(place, said);
        }
        return std::move(tree_);
    }

    // What lies above the place stands already, and the way down to the last place leads past it.
    void add(const Saying& place, const Said& said) {
        if (tree_.roots.back().dev != place.dev)
            add_root(place.dev, place.names.empty() ? said : Said{});
        std::uint32_t node = tree_.roots.back().node;
        std::size_t depth = 0;
        for (std::size_t begin = 0; begin < place.names.size(); ++depth) {
            const std::size_t end = place.names.find('\0', begin);
            const std::string_view name = std::string_view(place.names).substr(begin, end - begin);
            if (depth < way_.size() && tree_.nodes[way_[depth]].name != name)
                way_.resize(depth);
            if (depth == way_.size())
                way_.push_back(add_child(node, name));
            node = way_[depth];
            begin = end + 1;
        }
        tree_.nodes[node].rule = said.rule;
        tree_.nodes[node].rights = said.rights;
        if (said.is_named)
            tree_.nodes[node].flags = BH_NODE_NAMED;
    }

    void add_root(std::uint32_t dev, const Said& said) {
        const auto node = static_cast<std::uint32_t>(tree_.nodes.size());
        tree_.nodes.push_back({node, "", said.rule, said.rights, 0});
        tree_.roots.push_back({dev, node});
        way_.clear();
    }

    std::uint32_t add_child(std::uint32_t parent, std::string_view name) {
        const auto node = static_cast<std::uint32_t>(tree_.nodes.size());
        const std::uint32_t rule = tree_.nodes[parent].rule, rights = tree_.nodes[parent].rights;
        tree_.nodes.push_back({parent, std::string(name), rule, rights, 0});
        return node;
    }

    const std::vector<MountPoint>& mounts_;
    const std::vector<RulePath>& rules_;
    const DefaultRights& otherwise_;
    std::vector<Saying> said_;
    std::vector<std::uint32_t> way_;  // nodes from below the last root down to the last place
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
