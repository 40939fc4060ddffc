// Reads a document that has to be as expected. What is missing or of another type is said once, by
// its path; what is read of it, and after it, is empty, so that whoever reads asks once, at the
// end.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/json.h"

namespace bulkhead {

class JsonReader {
public:
    // Both outlive it. `wrong` is empty as long as nothing was.
    JsonReader(const Json& document, std::string& wrong) : node_(&document), wrong_(&wrong) {}

    [[nodiscard]] bool has(std::string_view key) const { return node_->contains(key); }
    [[nodiscard]] JsonReader object(std::string_view key) const;
    [[nodiscard]] std::vector<JsonReader> objects(std::string_view key) const;
    [[nodiscard]] std::string text(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
    [[nodiscard]] bool truth(std::string_view key) const;
    // From 0 to what the type can have.
    template <std::integral T>
    [[nodiscard]] T number(std::string_view key) const {
        return static_cast<T>(
            number_up_to(static_cast<std::uint64_t>(std::numeric_limits<T>::max()), key));
    }

    // The keys of what it is an object of.
    [[nodiscard]] std::vector<std::string> keys() const;

private:
    JsonReader(const Json& node, std::string path, std::string& wrong)
        : node_(&node), path_(std::move(path)), wrong_(&wrong) {}

    [[nodiscard]] std::string path_of(std::string_view key) const;
    [[nodiscard]] const Json& at(std::string_view key) const;
    [[nodiscard]] std::uint64_t number_up_to(std::uint64_t most, std::string_view key) const;
    void expect(bool is_so, std::string_view key, const char* what) const;

    const Json* node_;
    std::string path_;
    std::string* wrong_;
};

}  // namespace bulkhead
