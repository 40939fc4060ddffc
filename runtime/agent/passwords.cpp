#include "runtime/agent/passwords.h"

#include <crypt.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <memory>

namespace bulkhead::runtime::agent {
namespace {

constexpr std::size_t kHashLength = 60;
constexpr std::size_t kSaltBegin = 7;  // after "$2b$10$"

// Of no password that anybody knows: an unknown user takes as long as a known one.
constexpr const char* kNobody = "$2b$10$abcdefghijklmnopqrstuuoLKcKqNzbH0kzSGwH0nRkFvCEgK0GBq";

// Takes as long whatever differs.
bool are_equal(std::string_view one, std::string_view other) {
    return one.size() == other.size() && gnutls_memcmp(one.data(), other.data(), one.size()) == 0;
}

bool matches(const std::string& password, const std::string& hash) {
    const auto data = std::make_unique<crypt_data>();
    const char* hashed = ::crypt_r(password.c_str(), hash.c_str(), data.get());
    return hashed != nullptr && are_equal(hashed, hash);
}

}  // namespace

bool is_bcrypt_hash(const std::string& text) {
    const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
    constexpr std::string_view kLetters =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    return text.size() == kHashLength && text.starts_with("$2") &&
           std::string_view("aby").find(text[2]) != std::string_view::npos && text[3] == '$' &&
           is_digit(text[4]) && is_digit(text[5]) && text[6] == '$' &&
           text.find_first_not_of(kLetters, kSaltBegin) == std::string::npos;
}

std::optional<Credentials> parse_basic(std::string_view authorization) {
    constexpr std::string_view kScheme = "basic ";
    if (authorization.size() < kScheme.size() ||
        !std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                    [](char lower, char given) { return lower == (given | 0x20); }))
        return std::nullopt;
    std::string coded(authorization.substr(kScheme.size()));
    gnutls_datum_t from{reinterpret_cast<unsigned char*>(coded.data()),
                        static_cast<unsigned>(coded.size())};
    gnutls_datum_t to{};
    if (coded.empty() || gnutls_base64_decode2(&from, &to) != GNUTLS_E_SUCCESS)
        return std::nullopt;
    const std::string plain(reinterpret_cast<const char*>(to.data), to.size);
    gnutls_free(to.data);
    const auto colon = plain.find(':');
    // crypt(3) takes what stands before a NUL for the whole.
    if (colon == std::string::npos || plain.find('\0') != std::string::npos)
        return std::nullopt;
    return Credentials{plain.substr(0, colon), plain.substr(colon + 1)};
}

bool Passwords::may_pass(std::string_view authorization) {
    if (hashes_.empty())
        return true;
    const auto given = parse_basic(authorization);
    return given && is_right(*given);
}

bool Passwords::is_right(const Credentials& given) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto known = known_.find(given.user);
        if (known != known_.end() && are_equal(known->second, given.password))
            return true;
    }
    const auto user = hashes_.find(given.user);
    const std::lock_guard<std::mutex> one_at_a_time(hashing_);
    const bool right = matches(given.password, user != hashes_.end() ? user->second : kNobody);
    if (user == hashes_.end() || !right)
        return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    known_[given.user] = given.password;
    return true;
}

}  // namespace bulkhead::runtime::agent
