#include "runtime/policy/path_tree.h"

#include <algorithm>

namespace bulkhead::policy {
namespace {

void take_access(PathNode& above, PathNode& node) {
    if (node.access <= above.access) {
        above.files += std::max<std::size_t>(node.files, node.access != Access::kNone ? 1 : 0);
        above.named += node.named;
        node.access = Access::kNone;
        node.files = node.named = 0;
    }
    for (const auto& [name, child] : node.children)
        take_access(above, *child);
}

void take_programs(PathNode& above, PathNode& node) {
    above.programs += std::max<std::size_t>(node.programs, node.runs ? 1 : 0);
    node.programs = 0;
    node.runs = false;
    for (const auto& [name, child] : node.children)
        take_programs(above, *child);
}

}  // namespace

PathNode* PathNode::child(std::string_view wanted) const {
    const auto found = children.find(wanted);
    return found == children.end() ? nullptr : found->second.get();
}

PathNode& PathNode::make_child(const std::string& wanted) {
    auto& place = children[wanted];
    if (!place) {
        place = std::make_unique<PathNode>();
        place->parent = this;
        place->name = wanted;
    }
    return *place;
}

std::size_t PathNode::depth() const {
    return parent == nullptr ? 0 : parent->depth() + 1;
}

std::string PathNode::path() const {
    if (parent == nullptr)
        return "/";
    return (parent->parent == nullptr ? "" : parent->path()) + "/" + name;
}

bool PathNode::runs_here() const {
    return runs || (parent != nullptr && parent->runs_here());
}

bool PathNode::needs_access() const {
    return access != Access::kNone ||
           std::any_of(children.begin(), children.end(),
                       [](const auto& entry) { return entry.second->needs_access(); });
}

void PathNode::absorb_access() {
    for (const auto& [child_name, node] : children)
        take_access(*this, *node);
}

void PathNode::absorb_programs() {
    for (const auto& [child_name, node] : children)
        take_programs(*this, *node);
}

std::vector<std::string> names_of_path(std::string_view path) {
    std::vector<std::string> names;
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        if (end > begin)
            names.emplace_back(path.substr(begin, end - begin));
        begin = end + 1;
    }
    return names;
}

}  // namespace bulkhead::policy
