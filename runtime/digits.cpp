#include "runtime/digits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace bulkhead::runtime {
namespace {

constexpr std::size_t kQuad = 4;
constexpr std::uint32_t kQuads = 10000;

// 0000 to 9999, one after the other.
constexpr auto kQuadDigits = [] {
    std::array<char, kQuad * kQuads> digits{};
    for (std::size_t i = 0; i < kQuads; ++i) {
        std::size_t rest = i;
        for (std::size_t place = kQuad; place-- > 0; rest /= 10)
            digits[kQuad * i + place] = static_cast<char>('0' + rest % 10);
    }
    return digits;
}();

constexpr auto kPowersOfTen = [] {
    std::array<std::uint64_t, kMaxDigits> powers{1};
    for (std::size_t i = 1; i < powers.size(); ++i)
        powers[i] = 10 * powers[i - 1];
    return powers;
}();

// A bit is log10(2) of a digit, which is nearly 1233 / 4096.
inline unsigned digits_of(std::uint64_t value) {
    const unsigned least = static_cast<unsigned>(std::bit_width(value | 1)) * 1233 >> 12;
    return least + (value >= kPowersOfTen[least] ? 1 : 0);
}

// The last `count` digits of a quad. A loop would become a call of memcpy.
inline void put_part(char* at, std::uint64_t quad, std::size_t count) {
    const char* const digits = &kQuadDigits[kQuad * quad + kQuad - count];
    switch (count) {
        case 4:
            at[3] = digits[3];
            [[fallthrough]];
        case 3:
            at[2] = digits[2];
            [[fallthrough]];
        case 2:
            at[1] = digits[1];
            [[fallthrough]];
        default:
            at[0] = digits[0];
    }
}

// Digits from `begin` up to `end`, of which there are as many as `value` needs or more.
inline void put_between(char* begin, char* end, std::uint64_t value) {
    for (; end - begin > static_cast<std::ptrdiff_t>(kQuad); value /= kQuads)
        std::memcpy(end -= kQuad, &kQuadDigits[kQuad * (value % kQuads)], kQuad);
    put_part(begin, value, static_cast<std::size_t>(end - begin));
}

}  // namespace

char* put_digits(char* at, std::uint64_t value) {
    char* const end = at + std::max(1U, digits_of(value));
    put_between(at, end, value);
    return end;
}

char* put_places(char* at, std::uint32_t value, std::size_t places) {
    put_between(at, at + places, value);
    return at + places;
}

}  // namespace bulkhead::runtime
