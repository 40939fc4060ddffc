// [files]: paths to a tree of nodes.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "runtime/policy/child_index.h"
#include "runtime/policy/compile.h"

namespace bulkhead::policy {
namespace {

// All environments share bh_nodes, and two generations of one live while one is published.
constexpr std::size_t kMaxNodes = BH_MAX_NODES / 2;
constexpr std::uint32_t kRead = BH_RIGHT_READ;
constexpr std::uint32_t kExecute = BH_RIGHT_EXECUTE;
constexpr std::uint32_t kReadWrite = BH_RIGHT_READ | BH_RIGHT_WRITE | BH_RIGHT_APPEND;

// What one node is told, and by which rule. 0: it is not told.
struct Told {
    std::uint32_t access_rule = 0;
    std::uint32_t access = 0;  // bh_right but EXECUTE
    std::uint32_t execute_rule = 0;
};

// What holds at a node.
struct Holds {
    std::uint32_t rights = 0;
    std::uint32_t rule = 0;  // that the rights came from
};

std::uint32_t access_of(Key key) {
    switch (key) {
        case Key::kRead:
            return kRead;
        case Key::kWrite:
            return kReadWrite;
        case Key::kAppend:
            return kRead | BH_RIGHT_APPEND;
        default:
            return 0;
    }
}

class Tree {
public:
    explicit Tree(Compilation& compilation) : compilation_(compilation), told_(1) {
        nodes_.emplace_back();
    }

    void compile() {
        take_defaults();
        bool has_paths = default_rule_ != 0 && default_access_ != kReadWrite;
        const auto count = static_cast<std::uint32_t>(compilation_.policy.statements.size());
        if (compilation_.has(Key::kRead) || compilation_.has(Key::kRefuse))
            nodes_.reserve(count);
        for (std::uint32_t number = 1; number <= count; ++number) {
            const Statement& statement = compilation_.statement(number);
            if (statement.form != Form::kValue || !is_path_key(statement.key->key))
                continue;
            has_paths |= statement.key->key != Key::kExecute;
            if (const auto node = add_path(number))
                tell(*node, number);
        }
        if (nodes_.size() > kMaxNodes)
            compilation_.mistakes.add({0, 0, 0},
                                      "the paths have " + std::to_string(nodes_.size()) +
                                          " directories, more than " + std::to_string(kMaxNodes) +
                                          ": name directories instead of what is in them");
        if (!has_paths && execute_list_ == 0)
            return;
        settle();
        if (has_paths)
            compilation_.refuse(BH_CLASS_PATHS, default_rule_);
        if (execute_list_ != 0)
            compilation_.refuse(BH_CLASS_EXECUTION, execute_list_);
        compilation_.policy.rules.nodes = std::move(nodes_);
    }

private:
    static bool is_path_key(Key key) {
        return key == Key::kRead || key == Key::kWrite || key == Key::kAppend ||
               key == Key::kRefuse || key == Key::kExecute;
    }

    void take_defaults() {
        default_rule_ = compilation_.last(Key::kFilesDefault);
        execute_list_ = compilation_.last(Key::kExecute, Form::kList);
        if (default_rule_ != 0) {
            const std::string& value = compilation_.statement(default_rule_).value;
            if (value != "read-write")
                default_access_ = value == "read" ? kRead : 0;
        }
        if (execute_list_ != 0 && compilation_.entries(Key::kExecute).empty())
            compilation_.mistake(execute_list_,
                                 "[files] execute = [] lets nothing run, not even the first "
                                 "program: name the directories of programs and libraries");
        const std::uint32_t drift = compilation_.last(Key::kDrift);
        if (drift != 0 && compilation_.statement(drift).value == "refuse")
            compilation_.refuse(BH_CLASS_DRIFT, drift);
    }

    // The node of the path that rule `number` names, made with all above it.
    std::optional<std::uint32_t> add_path(std::uint32_t number) {
        const std::string_view path = compilation_.statement(number).value;
        if (path == "/") {
            compilation_.mistake(
                number, compilation_.statement(number).key->key == Key::kExecute
                            ? "execute \"/\" refuses nothing: leave the key execute out"
                            : "the root itself is what [files] default says: \"read-write\", "
                              "\"read\" or \"refuse\"");
            return std::nullopt;
        }
        std::string wrong;
        const std::uint32_t node = walk(path, wrong);
        if (!wrong.empty()) {
            compilation_.mistake(number, "\"" + std::string(path) + "\": " + wrong);
            return std::nullopt;
        }
        return node;
    }

    // From where the path leaves the last one, as lists are sorted as a rule.
    std::uint32_t walk(std::string_view path, std::string& wrong) {
        if (path.empty() || path.front() != '/') {
            wrong = "a path begins with /; it is the environment's own";
            return 0;
        }
        keep_way_to(path);
        std::uint32_t node = way_.empty() ? 0 : way_.back().node;
        std::size_t begin = way_.empty() ? 1 : way_.back().end + 1;
        while (begin <= path.size()) {
            const std::size_t end = std::min(path.find('/', begin), path.size());
            const std::string_view name = path.substr(begin, end - begin);
            wrong = what_is_wrong(name);
            if (!wrong.empty())
                return 0;
            node = child(node, name);
            way_.push_back({node, end});
            begin = end + 1;
        }
        return node;
    }

    // Of the way down the last path, what leads to this one.
    void keep_way_to(std::string_view path) {
        const std::string_view directory = path.substr(0, path.rfind('/'));
        if (way_.size() > 1 && way_[way_.size() - 2].end == directory.size() &&
            last_.starts_with(directory)) {
            way_.pop_back();
            last_ = path;
            return;
        }
        const auto differ = std::mismatch(path.begin(), path.end(), last_.begin(), last_.end());
        const auto common = static_cast<std::size_t>(differ.first - path.begin());
        const auto leads_on = [&](std::size_t end) {
            return end <= common && (end == path.size() || path[end] == '/');
        };
        while (!way_.empty() && !leads_on(way_.back().end))
            way_.pop_back();
        last_ = path;
    }

    static std::string what_is_wrong(std::string_view name) {
        if (name.empty())
            return "a path has no // and no / at its end";
        if (name == "." || name == "..")
            return "a path has no . and no ..: write where it leads";
        if (name.size() >= BH_COMPONENT_BYTES)
            return "a name in a path has at most 255 bytes";
        if (name.find('*') != std::string_view::npos)
            return "there are no patterns: a path means all beneath it";
        return "";
    }

    std::uint32_t child(std::uint32_t parent, std::string_view name) {
        // The text of the statements stays where it is.
        const auto fresh = static_cast<std::uint32_t>(nodes_.size());
        const std::uint32_t node = children_.find_or_add(parent, name, fresh);
        if (node == fresh) {
            loader::TreeNode& made = nodes_.emplace_back();
            made.parent = parent;
            made.name = name;
            told_.emplace_back();
        }
        return node;
    }

    void tell(std::uint32_t node, std::uint32_t number) {
        const Statement& statement = compilation_.statement(number);
        Told& told = told_[node];
        const bool is_execute = statement.key->key == Key::kExecute;
        const std::uint32_t before = is_execute ? told.execute_rule : told.access_rule;
        if (before != 0 && compilation_.source_of(before) == statement.place.source)
            return contradict(number, before);
        nodes_[node].flags |= BH_NODE_NAMED;
        if (is_execute) {
            told.execute_rule = number;
        } else {
            told.access_rule = number;
            told.access = access_of(statement.key->key);
        }
    }

    void contradict(std::uint32_t number, std::uint32_t before) {
        const Statement& statement = compilation_.statement(number);
        const Statement& other = compilation_.statement(before);
        const std::string where = describe(compilation_.policy.sources, other.place);
        if (other.key == statement.key)
            return compilation_.mistake(
                number, "\"" + statement.value + "\" stands in this list already, at " + where);
        compilation_.mistake(
            number, "\"" + statement.value + "\" is in " + key_title(*statement.key) + " and in " +
                        key_title(*other.key) + " (" + where + "): keep the one that is meant");
    }

    // From the root down: what a node is not told it has from above.
    void settle() {
        std::vector<Holds> holds(nodes_.size());
        for (std::uint32_t node = 0; node < nodes_.size(); ++node) {
            holds[node] = node == 0 ? root() : settle_node(node, holds[nodes_[node].parent]);
            nodes_[node].rights = holds[node].rights;
            nodes_[node].rule = holds[node].rule;
        }
    }

    [[nodiscard]] Holds root() const {
        const bool runs = execute_list_ == 0 && default_access_ != 0;
        return {default_access_ | (runs ? kExecute : 0), default_rule_};
    }

    Holds settle_node(std::uint32_t node, const Holds& above) {
        const Told& told = told_[node];
        Holds here = above;
        if (told.access_rule != 0) {
            here.rights = told.access | execute_beneath(above, told);
            here.rule = told.access_rule;
            check_change(told.access_rule, above, here);
        }
        if (told.execute_rule != 0) {
            if (told.access_rule != 0 && told.access == 0 &&
                compilation_.source_of(told.access_rule) ==
                    compilation_.source_of(told.execute_rule))
                contradict(told.execute_rule, told.access_rule);
            const Holds without = here;
            here.rights |= kExecute;
            if (told.access_rule == 0)
                here.rule = told.execute_rule;
            check_change(told.execute_rule, without, here);
        }
        return here;
    }

    [[nodiscard]] std::uint32_t execute_beneath(const Holds& above, const Told& told) const {
        if (told.access == 0)
            return 0;
        return execute_list_ == 0 ? kExecute : above.rights & kExecute;
    }

    // A policy may say again what the profile says that it extends; it may not say nothing.
    void check_change(std::uint32_t number, const Holds& before, const Holds& after) {
        if (before.rights != after.rights)
            return;
        if (before.rule != 0 &&
            compilation_.source_of(before.rule) != compilation_.source_of(number))
            return;
        const std::string by =
            before.rule == 0 ? "[files] default is \"read-write\""
                             : compilation_.policy.describe_rule(before.rule) + " gives the same";
        compilation_.mistake(number, key_title(*compilation_.statement(number).key) + " \"" +
                                         compilation_.statement(number).value +
                                         "\" changes nothing: " + by);
    }

    // A name of the last path: its node, and where it ends.
    struct Step {
        std::uint32_t node;
        std::size_t end;
    };

    Compilation& compilation_;
    std::string_view last_;
    std::vector<Step> way_;
    std::vector<loader::TreeNode> nodes_;
    std::vector<Told> told_;
    ChildIndex children_;
    std::uint32_t default_rule_ = 0;
    std::uint32_t default_access_ = kReadWrite;
    std::uint32_t execute_list_ = 0;
};

}  // namespace

void compile_files(Compilation& compilation) {
    Tree(compilation).compile();
}

}  // namespace bulkhead::policy
