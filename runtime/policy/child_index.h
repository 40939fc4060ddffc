// Finds a node of a tree by the one above it and its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkhead::policy {

// What names are views of outlives it.
class ChildIndex {
public:
    // The child of this name; when there was none, `fresh`, which it is from now on.
    std::uint32_t find_or_add(std::uint32_t parent, std::string_view name, std::uint32_t fresh) {
        if (2 * (count_ + 1) > entries_.size())
            grow();
        Entry& entry = place_of(entries_, parent, name);
        if (entry.node == kNone) {
            entry = {name, parent, fresh};
            ++count_;
        }
        return entry.node;
    }

private:
    static constexpr std::uint32_t kNone = ~0U;

    struct Entry {
        std::string_view name;
        std::uint32_t parent = 0;
        std::uint32_t node = kNone;
    };

    // Where it is, or would be: the first place that is free from its own on.
    static Entry& place_of(std::vector<Entry>& entries, std::uint32_t parent,
                           std::string_view name) {
        // FNV-1a: names are short.
        std::uint64_t hash = 0xcbf29ce484222325ULL ^ parent;
        for (const char letter : name)
            hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3ULL;
        for (std::size_t at = hash ^ hash >> 32;; ++at) {
            Entry& entry = entries[at & (entries.size() - 1)];
            if (entry.node == kNone || (entry.parent == parent && entry.name == name))
                return entry;
        }
    }

    void grow() {
        std::vector<Entry> more(entries_.empty() ? 64 : 4 * entries_.size());
        for (const Entry& entry : entries_) {
            if (entry.node != kNone)
                place_of(more, entry.parent, entry.name) = entry;
        }
        entries_ = std::move(more);
    }

    std::vector<Entry> entries_;  // as many as a power of two, at most half of them taken
    std::size_t count_ = 0;
};

}  // namespace bulkhead::policy
