// Users and their passwords, as the header Authorization has them (RFC 7617).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::runtime::agent {

bool is_bcrypt_hash(const std::string& text);

struct Credentials {
    std::string user, password;
};
// None: the header is not there or not of the scheme Basic.
std::optional<Credentials> parse_basic(std::string_view authorization);

class Passwords {
public:
    // `hashes`: by user.
    explicit Passwords(std::map<std::string, std::string> hashes) : hashes_(std::move(hashes)) {}

    // No users: everybody may.
    [[nodiscard]] bool may_pass(std::string_view authorization);

private:
    bool is_right(const Credentials& given);

    std::map<std::string, std::string> hashes_;
    // Scrapers come again every few seconds, and bcrypt is made to be slow: what was right once is
    // kept. What is wrong is hashed, one at a time, so that guessing costs at most one core.
    std::mutex mutex_;
    std::map<std::string, std::string> known_;
    std::mutex hashing_;
};

}  // namespace bulkhead::runtime::agent
