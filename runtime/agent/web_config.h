// The ecosystem's file for TLS and passwords of an exporter (exporter-toolkit, web-configuration):
// the keys of it that the agent has. What it does not know it refuses: a protection that was asked
// for and is not there would be worse than no agent.
#pragma once

#include <map>
#include <string>

#include "loader/result.h"

namespace bulkhead::runtime::agent {

enum class ClientAuth { kNone, kVerifyIfGiven, kRequireAndVerify };
enum class TlsVersion { k10, k11, k12, k13 };

struct WebConfig {
    struct Tls {
        std::string cert_file, key_file;  // from where the agent runs
        std::string client_ca_file;       // empty: none
        ClientAuth client_auth = ClientAuth::kNone;
        TlsVersion min_version = TlsVersion::k12;
        TlsVersion max_version = TlsVersion::k13;

        [[nodiscard]] bool is_on() const { return !cert_file.empty(); }
    };
    Tls tls;
    std::map<std::string, std::string> users;  // name -> bcrypt hash
};

// `path` is for messages, which begin with it and the line; files that the text names are relative
// to its directory. All mistakes are Fault::kUsage.
Result<WebConfig> parse_web_config(const std::string& text, const std::string& path);

Result<WebConfig> read_web_config(const std::string& path);

}  // namespace bulkhead::runtime::agent
