// Typed access to BPF maps: the only place with raw map calls. "Not there" is an empty optional
// or false; any other failure is an error.
#pragma once

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

// A hash map or storage map. Key and Value must be the kernel side's types of wire.h.
template <typename Key, typename Value>
class MapView {
    static_assert(std::has_unique_object_representations_v<Key>, "padding in a map key");
    static_assert(std::is_trivially_copyable_v<Value>);

public:
    using KeyType = Key;

    MapView(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

    [[nodiscard]] int fd() const { return fd_.get(); }

    [[nodiscard]] Result<std::optional<Value>> find(const Key& key) const {
        Value value{};
        if (bpf_map_lookup_elem(fd_.get(), &key, &value) == 0)
            return value;
        if (errno == ENOENT)
            return std::optional<Value>{};
        return fail_errno("look up in map " + name_);
    }

    // Inserts or replaces. E2BIG: the map is full.
    Status put(const Key& key, const Value& value) const {
        if (bpf_map_update_elem(fd_.get(), &key, &value, BPF_ANY) != 0)
            return fail_errno("write to map " + name_);
        return {};
    }

    // False when there was no such row.
    Result<bool> erase(const Key& key) const {
        if (bpf_map_delete_elem(fd_.get(), &key) == 0)
            return true;
        if (errno == ENOENT)
            return false;
        return fail_errno("delete from map " + name_);
    }

    // Writes many rows with few system calls; `values` are as many as `keys`. Where it ends with an
    // error, the first `written` rows are there.
    Status put_all(const std::vector<Key>& keys, const std::vector<Value>& values,
                   std::size_t& written) const {
        for (written = 0; written < keys.size();) {
            auto count = static_cast<__u32>(keys.size() - written);
            const int result =
                bpf_map_update_batch(fd_.get(), &keys[written], &values[written], &count, nullptr);
            written += count;
            if (result != 0)
                return fail_errno("write to map " + name_);
        }
        return {};
    }

    // Rows that are not there are passed over.
    Status erase_all(const std::vector<Key>& keys) const {
        for (std::size_t done = 0; done < keys.size();) {
            auto count = static_cast<__u32>(keys.size() - done);
            const int result = bpf_map_delete_batch(fd_.get(), &keys[done], &count, nullptr);
            done += count;
            if (result == 0)
                continue;
            if (errno != ENOENT)
                return fail_errno("delete from map " + name_);
            ++done;
        }
        return {};
    }

    // Calls visit(key) for each row. Rows deleted meanwhile may restart the walk.
    template <typename Visit>
    Status for_each_key(Visit visit) const {
        Key key{};
        const Key* previous = nullptr;
        Key next{};
        while (bpf_map_get_next_key(fd_.get(), previous, &next) == 0) {
            visit(next);
            key = next;
            previous = &key;
        }
        if (errno != ENOENT)
            return fail_errno("walk map " + name_);
        return {};
    }

private:
    UniqueFd fd_;
    std::string name_;
};

// A BPF_F_MMAPABLE array, mapped: rows are read and written in place.
template <typename Value>
class MappedArray {
    static_assert(std::is_trivially_copyable_v<Value>);
    static_assert(sizeof(Value) % 8 == 0, "the kernel rounds array values up to 8 bytes");

public:
    enum class Access { kRead, kWrite };

    // The mapping outlives the descriptor and is not inherited by children.
    static Result<MappedArray> map(int fd, std::size_t count, Access access,
                                   const std::string& name) {
        return map_part(fd, 0, count, access, name);
    }

    // `count` rows from `first` on, which lies on a page's edge.
    static Result<MappedArray> map_part(int fd, std::size_t first, std::size_t count, Access access,
                                        const std::string& name) {
        const std::size_t bytes = count * sizeof(Value);
        const int protection = PROT_READ | (access == Access::kWrite ? PROT_WRITE : 0);
        void* base = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd,
                            static_cast<off_t>(first * sizeof(Value)));
        if (base == MAP_FAILED)
            return fail_errno("map the array " + name);
        ::madvise(base, bytes, MADV_DONTFORK);
        return MappedArray(static_cast<Value*>(base), count);
    }

    MappedArray(MappedArray&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), count_(other.count_) {}
    MappedArray& operator=(MappedArray&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(count_, other.count_);
        return *this;
    }
    MappedArray(const MappedArray&) = delete;
    MappedArray& operator=(const MappedArray&) = delete;
    ~MappedArray() {
        if (base_ != nullptr)
            ::munmap(base_, count_ * sizeof(Value));
    }

    [[nodiscard]] std::size_t size() const { return count_; }
    [[nodiscard]] Value& operator[](std::size_t index) const { return base_[index]; }

private:
    MappedArray(Value* base, std::size_t count) : base_(base), count_(count) {}

    Value* base_;
    std::size_t count_;
};

}  // namespace bulkhead::loader
