#include "runtime/agent/web_config.h"

#include <yaml-cpp/yaml.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "runtime/agent/passwords.h"

namespace bulkhead::runtime::agent {
namespace {

template <typename Value, std::size_t N>
using Words = std::array<std::pair<std::string_view, Value>, N>;

constexpr Words<TlsVersion, 4> kVersions = {{{"TLS10", TlsVersion::k10},
                                             {"TLS11", TlsVersion::k11},
                                             {"TLS12", TlsVersion::k12},
                                             {"TLS13", TlsVersion::k13}}};

// The ecosystem has two more, which ask for a certificate and believe whatever it says.
constexpr Words<ClientAuth, 3> kClientAuths = {
    {{"NoClientCert", ClientAuth::kNone},
     {"VerifyClientCertIfGiven", ClientAuth::kVerifyIfGiven},
     {"RequireAndVerifyClientCert", ClientAuth::kRequireAndVerify}}};

class Parser {
public:
    explicit Parser(const std::string& path) : path_(path) {}

    Result<WebConfig> parse(const std::string& text) {
        YAML::Node top;
        try {
            top = YAML::Load(text);
        } catch (const YAML::Exception& bad) {
            return fail(mistake(bad.mark, "is not YAML: " + bad.msg));
        }
        if (top.IsNull())
            return fail(mistake(top.Mark(), "asks for nothing").advise(kLeaveOut));
        BULKHEAD_TRY(each_key(top, "", [&](const std::string& key, const YAML::Node& value) {
            if (key == "tls_server_config")
                return parse_tls(value);
            if (key == "basic_auth_users")
                return parse_users(value);
            return unknown_key(key, "", "tls_server_config, basic_auth_users");
        }));
        if (!config_.tls.is_on() && config_.users.empty())
            return fail(mistake(top.Mark(), "asks for nothing").advise(kLeaveOut));
        return std::move(config_);
    }

private:
    static constexpr const char* kLeaveOut =
        "name a certificate in tls_server_config or a user in basic_auth_users, or leave out "
        "--web-config";

    [[nodiscard]] Error mistake(const YAML::Mark& at, const std::string& what) const {
        const std::string line = at.is_null() ? "" : ":" + std::to_string(at.line + 1);
        return {0, path_ + line + ": " + what, Fault::kUsage};
    }

    // Calls visit(key, value) for each key of a mapping.
    template <typename Visit>
    Status each_key(const YAML::Node& mapping, const std::string& name, Visit visit) {
        if (!mapping.IsMap())
            return fail(mistake(mapping.Mark(), (name.empty() ? "the file" : name) +
                                                    " is not a mapping of keys to values"));
        std::set<std::string> seen;
        for (const auto& entry : mapping) {
            at_ = entry.first.Mark();
            if (!entry.first.IsScalar())
                return fail(mistake(at_, "a key is not a word"));
            const std::string key = entry.first.Scalar();
            if (!seen.insert(key).second)
                return fail(mistake(at_, "the key `" + key + "` is there twice"));
            BULKHEAD_TRY(visit(key, entry.second));
        }
        return {};
    }

    [[nodiscard]] Status unknown_key(const std::string& key, const std::string& where,
                                     const std::string& known) const {
        return fail(mistake(at_, "the key `" + key + "`" + where + " is not known here")
                        .advise("the agent knows " + known));
    }

    Result<std::string> text_of(const std::string& key, const YAML::Node& value) const {
        if (!value.IsScalar() || value.Scalar().empty())
            return fail(mistake(at_, "`" + key + "` is not a text"));
        return value.Scalar();
    }

    // The path, from the directory of the file that names it.
    Status file_of(const std::string& key, const YAML::Node& value, std::string& file) const {
        BULKHEAD_TRY_VALUE(named, text_of(key, value));
        file = std::filesystem::path(path_).parent_path() / named;
        return {};
    }

    template <typename Value, std::size_t N>
    Status word_of(const std::string& key, const YAML::Node& value, const Words<Value, N>& words,
                   Value& chosen) const {
        BULKHEAD_TRY_VALUE(text, text_of(key, value));
        std::string known;
        for (const auto& [word, meaning] : words) {
            if (word == text) {
                chosen = meaning;
                return {};
            }
            known += (known.empty() ? "" : ", ") + std::string(word);
        }
        return fail(
            mistake(at_, "`" + key + "` cannot be " + text).advise("the agent knows " + known));
    }

    Status parse_tls(const YAML::Node& value) {
        const YAML::Mark begin = at_;
        WebConfig::Tls& tls = config_.tls;
        BULKHEAD_TRY(each_key(value, "tls_server_config",
                              [&](const std::string& key, const YAML::Node& setting) -> Status {
                                  if (key == "cert_file")
                                      return file_of(key, setting, tls.cert_file);
                                  if (key == "key_file")
                                      return file_of(key, setting, tls.key_file);
                                  if (key == "client_ca_file")
                                      return file_of(key, setting, tls.client_ca_file);
                                  if (key == "client_auth_type")
                                      return word_of(key, setting, kClientAuths, tls.client_auth);
                                  if (key == "min_version")
                                      return word_of(key, setting, kVersions, tls.min_version);
                                  if (key == "max_version")
                                      return word_of(key, setting, kVersions, tls.max_version);
                                  return unknown_key(
                                      key, " of tls_server_config",
                                      "cert_file, key_file, client_ca_file, client_auth_type, "
                                      "min_version, max_version");
                              }));
        return check_tls(begin);
    }

    // What the keys say together.
    [[nodiscard]] Status check_tls(const YAML::Mark& at) const {
        const WebConfig::Tls& tls = config_.tls;
        if (tls.cert_file.empty())
            return fail(mistake(at, "tls_server_config lacks `cert_file`"));
        if (tls.key_file.empty())
            return fail(mistake(at, "tls_server_config lacks `key_file`"));
        if (tls.min_version > tls.max_version)
            return fail(mistake(at, "`min_version` is above `max_version`"));
        const bool verifies = tls.client_auth != ClientAuth::kNone;
        if (verifies && tls.client_ca_file.empty())
            return fail(mistake(at, "`client_auth_type` needs `client_ca_file`"));
        if (!verifies && !tls.client_ca_file.empty())
            return fail(mistake(at, "`client_ca_file` is of no use without `client_auth_type`")
                            .advise("such as client_auth_type: RequireAndVerifyClientCert"));
        return {};
    }

    Status parse_users(const YAML::Node& value) {
        return each_key(value, "basic_auth_users",
                        [&](const std::string& user, const YAML::Node& setting) -> Status {
                            // The rule of RFC 7617: the first colon ends the name.
                            if (user.empty() || user.find(':') != std::string::npos)
                                return fail(mistake(at_, "`" + user + "` cannot be a user's name"));
                            BULKHEAD_TRY_VALUE(hash, text_of(user, setting));
                            if (!is_bcrypt_hash(hash))
                                return fail(mistake(at_, "what stands for the user `" + user +
                                                             "` is not a bcrypt hash")
                                                .advise("htpasswd -nB " + user + " prints one"));
                            config_.users[user] = hash;
                            return {};
                        });
    }

    const std::string& path_;
    WebConfig config_;
    YAML::Mark at_;  // of the key that is looked at
};

}  // namespace

Result<WebConfig> parse_web_config(const std::string& text, const std::string& path) {
    try {
        return Parser(path).parse(text);
    } catch (const YAML::Exception& bad) {
        return fail(Error(0, path + ": " + bad.what(), Fault::kUsage));
    }
}

Result<WebConfig> read_web_config(const std::string& path) {
    errno = 0;
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file || file.bad())
        return fail(Error(errno, "read the web configuration " + path, Fault::kUsage));
    return parse_web_config(text, path);
}

}  // namespace bulkhead::runtime::agent
