// Whole numbers as text, for who writes a hundred thousand of them at once: std::to_chars takes
// two digits a step, and twice as many instructions in all.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

inline constexpr std::size_t kMaxDigits = 20;

// Writes `value` at `at`, and says where it ended.
char* put_digits(char* at, std::uint64_t value);

// The same of what comes after a point: all of its `places` digits, at most 9.
char* put_places(char* at, std::uint32_t value, std::size_t places);

}  // namespace bulkhead::runtime
