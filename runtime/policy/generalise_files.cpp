// [files] of a learned policy. A rule is about a path and all beneath it, so that files become
// rules of directories where
//   - a name is not one to build on: made or removed in the run, a number of a process, a library
//     (its file is another after the next update), a file with several names;
//   - many things were read in one directory;
//   - the list would be longer than anybody reads.
#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "runtime/policy/generalise.h"
#include "runtime/policy/path_tree.h"

namespace bulkhead::policy {
namespace {

constexpr std::size_t kMostLines = 48;
constexpr std::size_t kMany = 4;           // things read in a directory
constexpr std::size_t kManyPrograms = 12;  // run from a directory

// Directories that hold what belongs to many: never given whole because much in them was used, nor
// because a directory was made there.
constexpr std::array<std::string_view, 8> kShared = {"/var/lib",   "/var/log",   "/var/cache",
                                                     "/var/spool", "/usr/local", "/usr/lib",
                                                     "/run/user",  "/sys/fs"};

bool is_shared(std::string_view directory) {
    return std::find(kShared.begin(), kShared.end(), directory) != kShared.end();
}

std::string_view directory_of(std::string_view path) {
    return path.substr(0, path.rfind('/'));
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char one) { return one >= '0' && one <= '9'; });
}

// libx.so, libx.so.1.2.
bool is_library(std::string_view name) {
    const std::size_t at = name.find(".so.");
    return name.ends_with(".so") ||
           (at != std::string_view::npos && is_number(name.substr(at + 4, 1)));
}

// The bytes that follow the first one of a letter in UTF-8; -1: it begins none.
int bytes_after(unsigned char first) {
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first < 0xe0)
        return 1;
    if (first >= 0xe1 && first < 0xf0 && first != 0xed)
        return 2;
    return first >= 0xf1 && first < 0xf4 ? 3 : -1;
}

// What a policy can write as a name: no pattern, and letters that TOML has.
bool is_writable_name(std::string_view name) {
    if (name.find('*') != std::string_view::npos)
        return false;
    for (std::size_t at = 0; at < name.size(); ++at) {
        int after = bytes_after(static_cast<unsigned char>(name[at]));
        if (after < 0)
            return false;
        for (; after > 0; --after) {
            if (++at == name.size() || (static_cast<unsigned char>(name[at]) & 0xc0) != 0x80)
                return false;
        }
    }
    return true;
}

Access access_of(std::uint32_t rights) {
    if ((rights & BH_RIGHT_WRITE) != 0)
        return Access::kWrite;
    if ((rights & BH_RIGHT_APPEND) != 0)
        return Access::kAppend;
    return (rights & BH_RIGHT_READ) != 0 ? Access::kRead : Access::kNone;
}

enum class Programs { kListed, kUnlisted };

class Generaliser {
public:
    Generaliser(const Observations& seen, std::size_t many, Programs programs)
        : seen_(seen), many_(many), has_list_(programs == Programs::kListed) {}

    // None: no list of programs can say what ran, as that lies in the root itself.
    std::optional<LearnedFiles> run() {
        for (const SeenFile& file : seen_.files)
            add(file);
        add_mounted();
        collapse(root_);
        settle_moves();
        if (root_.runs)
            return std::nullopt;
        emit();
        return std::move(files_);
    }

private:
    // The node of a path, or of the last directory above it that a rule can name.
    PathNode& node_of(const std::vector<std::string>& names) {
        PathNode* node = &root_;
        for (std::size_t i = 0; i < names.size() && i < BH_MAX_NODE_DEPTH; ++i) {
            if (!is_writable_name(names[i]))
                break;
            const std::string above = i == 0 ? "" : names[0];
            const bool of_process = i == 1 && above == "proc" && is_number(names[i]);
            const bool of_terminal =
                i == 2 && above == "dev" && names[1] == "pts" && is_number(names[i]);
            if (of_process || of_terminal)
                break;
            node = &node->make_child(names[i]);
        }
        return *node;
    }

    void add(const SeenFile& file) {
        std::vector<std::string> names = names_of_path(file.path);
        const bool is_new = paths_.insert(file.path).second;
        const bool is_named = file.act == FileAct::kNamed && names.size() > 1;
        const bool is_code = (file.rights & (BH_RIGHT_WRITE | BH_RIGHT_APPEND)) == 0 &&
                             !names.empty() && is_library(names.back());
        const bool stays = file.is_directory && is_shared(directory_of(file.path));
        const bool has_no_rule = file.has_other_names && !file.is_directory;
        if (names.size() > 1 && ((is_named && !stays) || is_code || has_no_rule))
            names.pop_back();
        PathNode& node = node_of(names);
        node.has_links |= has_no_rule;
        const bool is_itself = node.path() == file.path;
        if (is_itself && file.is_directory && (file.rights & BH_RIGHT_READ) != 0)
            node.is_listed = true;
        const Access access = is_named ? Access::kWrite : access_of(file.rights);
        if (access != Access::kNone) {
            node.access = std::max(node.access, access);
            node.files += !is_itself && is_new ? 1 : 0;
            node.named += is_named && named_.insert(file.path).second ? 1 : 0;
        }
        if ((file.rights & BH_RIGHT_EXECUTE) == 0)
            return;
        if (has_list_) {
            node.runs = true;
            node.programs += !is_itself && programs_.insert(file.path).second ? 1 : 0;
        } else {
            node.access = std::max(node.access, Access::kRead);
        }
    }

    // What is mounted later has the default's rights; its place has the same, so that they stay
    // when the policy is applied once it is there.
    void add_mounted() {
        const Access access = access_of(seen_.mounted.rights);
        if (access == Access::kNone)
            return;
        root_.access = std::max(root_.access, access);
        for (const std::string& point : seen_.mounted.points) {
            PathNode& node = node_of(names_of_path(point));
            node.access = std::max(node.access, access);
            node.is_mounted = true;
        }
    }

    static bool may_be_given_whole(const PathNode& node) {
        const std::size_t depth = node.depth();
        if (depth < 2 || (depth == 2 && node.parent->name == "home"))
            return false;
        return !is_shared(node.path());
    }

    // From the leaves up.
    void collapse(PathNode& node) {
        for (const auto& [name, child] : node.children)
            collapse(*child);
        if (!may_be_given_whole(node))
            return;
        const auto count = [&](auto matches) {
            return static_cast<std::size_t>(
                std::count_if(node.children.begin(), node.children.end(),
                              [&](const auto& entry) { return matches(*entry.second); }));
        };
        if (count([](const PathNode& one) { return one.access == Access::kWrite; }) >= many_)
            node.access = Access::kWrite;
        else if (node.access < Access::kRead &&
                 count([](const PathNode& one) { return one.needs_access(); }) >= many_)
            node.access = Access::kRead;
        if (count([](const PathNode& one) { return one.runs; }) >= kManyPrograms)
            node.runs = true;
        if (node.access != Access::kNone)
            node.absorb_access();
        if (node.runs)
            node.absorb_programs();
    }

    PathNode* find(const std::string& path) {
        PathNode* node = &root_;
        for (const std::string& name : names_of_path(path)) {
            node = node->child(name);
            if (node == nullptr)
                return nullptr;
        }
        return node;
    }

    // Where a rule for what lies beside `path` belongs.
    PathNode& place_beside(const std::string& path) {
        std::vector<std::string> names = names_of_path(path);
        if (names.size() > 1)
            names.pop_back();
        return node_of(names);
    }

    bool runs_at(const std::string& path) {
        PathNode* node = &root_;
        bool runs = node->runs;
        for (const std::string& name : names_of_path(path)) {
            node = node->child(name);
            if (node == nullptr)
                break;
            runs |= node->runs;
        }
        return runs;
    }

    // A directory that is given another name may be no node of the rules, and nothing moves to
    // where other rights hold.
    void settle_moves() {
        for (const SeenMove& move : seen_.moves) {
            for (const std::string* path : {&move.from, &move.to}) {
                if (move.is_directory)
                    hoist(*path);
            }
        }
        for (bool changed = true; changed;) {
            changed = false;
            for (const SeenMove& move : seen_.moves) {
                const bool from = runs_at(move.from), to = runs_at(move.to);
                if (from == to)
                    continue;
                PathNode& beside = place_beside(from ? move.to : move.from);
                changed |= !beside.runs;
                beside.runs = true;
                beside.absorb_programs();
                beside.programs = std::max<std::size_t>(beside.programs, 1);
            }
        }
    }

    void hoist(const std::string& path) {
        PathNode* node = find(path);
        if (node == nullptr || node->parent == nullptr || node->parent == &root_)
            return;
        PathNode& above = *node->parent;
        above.access = Access::kWrite;
        above.absorb_access();
        above.runs |= has_programs(*node);
        if (above.runs)
            above.absorb_programs();
    }

    static bool has_programs(const PathNode& node) {
        return node.runs ||
               std::any_of(node.children.begin(), node.children.end(),
                           [](const auto& entry) { return has_programs(*entry.second); });
    }

    void emit() {
        if (has_list_)
            files_.execute.emplace();
        if (root_.access != Access::kNone) {
            // There is no default that appends.
            if (root_.access == Access::kAppend)
                root_.access = Access::kWrite;
            files_.otherwise = {root_.access == Access::kRead ? "read" : "read-write",
                                describe_default()};
            refuse_unused();
        }
        emit_beneath(root_, root_.access, false);
    }

    [[nodiscard]] std::string describe_default() const {
        const SeenClass& mounted = seen_.mounted.files;
        if (mounted.count == 0)
            return "the root itself was opened";
        return "nothing less reaches what was mounted meanwhile: " +
               count_text(mounted.count, "opening", "openings") + ", first: " + mounted.example;
    }

    // The root is given, and all in it: what was not used is taken out again.
    void refuse_unused() {
        std::set<std::string> names(seen_.root.begin(), seen_.root.end());
        for (const auto& [name, child] : root_.children)
            names.insert(name);
        for (const std::string& name : names) {
            if (!is_writable_name(name))
                continue;
            PathNode& node = root_.make_child(name);
            if (node.access == Access::kNone && node.runs)
                node.access = Access::kRead;
            if (node.access != Access::kNone)
                continue;
            files_.refuse.push_back({node.path(), "not used itself"});
        }
    }

    void emit_beneath(const PathNode& node, Access given, bool runs) {
        for (const auto& [name, child] : node.children) {
            const Access here = &node == &root_ ? given_at_top(*child) : given;
            emit_node(*child, here, runs);
            emit_beneath(*child, std::max(here, child->access), runs || child->runs);
        }
    }

    // Of what the default gives: a rule says it where it is less.
    Access given_at_top(const PathNode& node) {
        const Access given = root_.access;
        if (given != Access::kNone && node.access == given)
            files_.by_default.push_back({node.path(), describe(node)});
        return node.access < given ? Access::kNone : given;
    }

    void emit_node(const PathNode& node, Access given, bool runs) {
        if (node.access > given)
            list_of(node.access).push_back({node.path(), describe(node)});
        if (node.runs && !runs)
            files_.execute->push_back({node.path(), describe_programs(node)});
    }

    static std::string describe_programs(const PathNode& node) {
        if (node.programs == 0)
            return "";
        const std::string links = node.has_links ? ", one with several names" : "";
        return count_text(node.programs, "program or library", "programs and libraries") + links;
    }

    std::vector<LearnedEntry>& list_of(Access access) {
        if (access == Access::kWrite)
            return files_.write;
        return access == Access::kAppend ? files_.append : files_.read;
    }

    static std::string count_text(std::size_t count, const char* one, const char* many) {
        return std::to_string(count) + " " + (count == 1 ? one : many);
    }

    static std::string describe(const PathNode& node) {
        std::string text;
        const auto add = [&](const std::string& part) {
            text += (text.empty() ? "" : ", ") + part;
        };
        if (node.files != 0)
            add(count_text(node.files, "file", "files"));
        if (node.named != 0)
            add(std::to_string(node.named) + " made, moved or removed");
        if (node.is_listed)
            add("listed");
        if (node.is_mounted)
            add("mounted in the run");
        return text;
    }

    const Observations& seen_;
    std::size_t many_;
    bool has_list_;  // of programs
    PathNode root_;
    std::set<std::string> paths_, named_, programs_;
    LearnedFiles files_;
};

std::size_t lines_of(const LearnedFiles& files) {
    return files.read.size() + files.append.size() + files.write.size() + files.refuse.size() +
           (files.execute ? files.execute->size() : 0);
}

}  // namespace

LearnedFiles generalise_files(const Observations& seen) {
    const bool has_list =
        !seen.nameless.contains(BH_CLASS_EXECUTION) &&
        std::any_of(seen.files.begin(), seen.files.end(),
                    [](const SeenFile& file) { return (file.rights & BH_RIGHT_EXECUTE) != 0; });
    Programs programs = has_list ? Programs::kListed : Programs::kUnlisted;
    LearnedFiles files;
    for (std::size_t many = kMany; many > 1; --many) {
        auto found = Generaliser(seen, many, programs).run();
        if (!found) {
            programs = Programs::kUnlisted;
            found = Generaliser(seen, many, programs).run();
        }
        files = std::move(*found);
        if (lines_of(files) <= kMostLines)
            break;
    }
    return files;
}

}  // namespace bulkhead::policy
