// The web configuration: what it may say, and the one error for all else.
#include "runtime/agent/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/agent/passwords.h"
#include "runtime/agent/tls.h"

namespace bulkhead::runtime::agent {
namespace {

using testing::HasSubstr;

// Of "secret", with the cheapest cost there is.
constexpr const char* kHash = "$2y$04$LIUlDUNcQRbYMteFntqhX.PyaDriGigHHLHsWrUZlS88OUPKj6Pj6";

// The message about this text, which is refused.
std::string mistake(const std::string& text) {
    const auto config = parse_web_config(text, "/etc/bulkhead/web.yml");
    EXPECT_FALSE(config) << text;
    if (config)
        return "";
    EXPECT_EQ(config.error().fault(), Fault::kUsage);
    EXPECT_THAT(config.error().message(), testing::StartsWith("/etc/bulkhead/web.yml")) << text;
    return config.error().message();
}

std::string tls(const std::string& more) {
    return "tls_server_config:\n  cert_file: c.pem\n  key_file: /k.pem\n" + more;
}

TEST(WebConfig, HasTheKeysOfTheEcosystem) {
    const auto config = parse_web_config(tls("  client_auth_type: RequireAndVerifyClientCert\n"
                                             "  client_ca_file: ca.pem\n"
                                             "  min_version: TLS13\n"
                                             "basic_auth_users:\n  alice: ") +
                                             kHash + "\n",
                                         "/etc/bulkhead/web.yml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->tls.cert_file, "/etc/bulkhead/c.pem") << "relative to the file";
    EXPECT_EQ(config->tls.key_file, "/k.pem");
    EXPECT_EQ(config->tls.client_ca_file, "/etc/bulkhead/ca.pem");
    EXPECT_EQ(config->tls.client_auth, ClientAuth::kRequireAndVerify);
    EXPECT_EQ(config->tls.min_version, TlsVersion::k13);
    EXPECT_EQ(config->users.at("alice"), kHash);
}

TEST(WebConfig, MayHaveUsersAlone) {
    const auto config =
        parse_web_config(std::string("basic_auth_users: {alice: '") + kHash + "'}", "web.yml");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_FALSE(config->tls.is_on());
    EXPECT_EQ(config->users.size(), 1U);
}

TEST(WebConfig, NamesTheLineAndTheKeyThatItDoesNotKnow) {
    EXPECT_THAT(mistake(tls("  cert: x\n")), HasSubstr("web.yml:4: the key `cert`"));
    EXPECT_THAT(mistake("tls_server_confg: {}\n"),
                HasSubstr("web.yml:1: the key `tls_server_confg`"));
    EXPECT_THAT(mistake("basic_auth_users: {}\nrate_limit: {}\n"),
                HasSubstr("web.yml:2: the key `rate_limit`"));
}

TEST(WebConfig, NamesTheValueThatCannotBe) {
    EXPECT_THAT(mistake(tls("  min_version: SSL3\n")),
                HasSubstr("web.yml:4: `min_version` cannot be SSL3"));
    EXPECT_THAT(mistake(tls("  min_version: TLS13\n  max_version: TLS12\n")),
                HasSubstr("`min_version` is above `max_version`"));
    EXPECT_THAT(mistake(tls("  client_auth_type: RequireAnyClientCert\n")),
                HasSubstr("`client_auth_type` cannot be RequireAnyClientCert"));
    EXPECT_THAT(mistake("basic_auth_users:\n  alice: secret\n"),
                HasSubstr("web.yml:2: what stands for the user `alice` is not a bcrypt hash"));
    EXPECT_THAT(mistake("basic_auth_users:\n  'a:b': x\n"), HasSubstr("cannot be a user's name"));
    EXPECT_THAT(mistake("basic_auth_users: [alice]\n"), HasSubstr("is not a mapping"));
    EXPECT_THAT(mistake(tls("  min_version: [TLS12]\n")), HasSubstr("`min_version` is not a text"));
}

TEST(WebConfig, WantsWhatBelongsTogether) {
    EXPECT_THAT(mistake("tls_server_config: {cert_file: c.pem}\n"), HasSubstr("lacks `key_file`"));
    EXPECT_THAT(mistake("tls_server_config: {key_file: k.pem}\n"), HasSubstr("lacks `cert_file`"));
    EXPECT_THAT(mistake(tls("  client_ca_file: ca.pem\n")),
                HasSubstr("`client_ca_file` is of no use"));
    EXPECT_THAT(mistake(tls("  client_auth_type: RequireAndVerifyClientCert\n")),
                HasSubstr("needs `client_ca_file`"));
    EXPECT_THAT(mistake("basic_auth_users: {}\n"), HasSubstr("asks for nothing"));
    EXPECT_THAT(mistake(""), HasSubstr("asks for nothing"));
    EXPECT_THAT(mistake("# nothing yet\n"), HasSubstr("asks for nothing"));
}

TEST(WebConfig, RefusesWhatIsNotYamlOrThereTwice) {
    EXPECT_THAT(mistake("tls_server_config: {\n"), HasSubstr("is not YAML"));
    EXPECT_THAT(mistake("just words\n"), HasSubstr("the file is not a mapping"));
    EXPECT_THAT(mistake(tls("  key_file: other\n")),
                HasSubstr("the key `key_file` is there twice"));
    EXPECT_THAT(mistake("? [a]\n: b\n"), HasSubstr("a key is not a word"));
}

TEST(WebConfig, NamesTheFileThatIsNotThere) {
    const auto none = read_web_config("/nonexistent/web.yml");
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message(), HasSubstr("/nonexistent/web.yml: No such file"));
    WebConfig::Tls named;
    named.cert_file = "/nonexistent/c.pem";
    named.key_file = "/nonexistent/k.pem";
    const auto material = load_tls(named);
    ASSERT_FALSE(material);
    EXPECT_THAT(material.error().message(),
                HasSubstr("read the cert_file /nonexistent/c.pem: No such file"));
}

TEST(Passwords, AreBcryptHashesOnly) {
    EXPECT_TRUE(is_bcrypt_hash(kHash));
    EXPECT_FALSE(is_bcrypt_hash("secret"));
    EXPECT_FALSE(is_bcrypt_hash("$6$" + std::string(kHash).substr(3)));
    EXPECT_FALSE(is_bcrypt_hash(std::string(kHash) + "x"));
    EXPECT_FALSE(is_bcrypt_hash(std::string(kHash).replace(30, 1, ":")));
}

TEST(Passwords, AreReadFromTheHeader) {
    const auto given = parse_basic("Basic YWxpY2U6c2VjOnJldA==");
    ASSERT_TRUE(given);
    EXPECT_EQ(given->user, "alice");
    EXPECT_EQ(given->password, "sec:ret");
    EXPECT_TRUE(parse_basic("bAsIc YWxpY2U6"));
    for (const char* wrong :
         {"", "Basic", "Basic ", "Basic !!!", "Bearer YWxpY2U6",
          "Basic YWxpY2U=", "Basic YWxpY2U6c2VjcmV0AHg="})  // no colon; a NUL in it
        EXPECT_FALSE(parse_basic(wrong)) << wrong;
}

TEST(Passwords, LetInWhoKnowsOne) {
    Passwords passwords(std::map<std::string, std::string>{{"alice", kHash}});
    for (int i = 0; i < 2; ++i) {                                    // the second time from memory
        EXPECT_TRUE(passwords.may_pass("Basic YWxpY2U6c2VjcmV0"));   // alice:secret
        EXPECT_FALSE(passwords.may_pass("Basic YWxpY2U6d3Jvbmc="));  // alice:wrong
        EXPECT_FALSE(passwords.may_pass("Basic Ym9iOnNlY3JldA=="));  // bob:secret
        EXPECT_FALSE(passwords.may_pass(""));
    }
    Passwords nobody(std::map<std::string, std::string>{});
    EXPECT_TRUE(nobody.may_pass("")) << "no users: everybody may";
}

}  // namespace
}  // namespace bulkhead::runtime::agent
