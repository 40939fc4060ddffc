// TLS of the endpoint by GnuTLS: what the web configuration names, read and tried.
#pragma once

#include <string>

#include "loader/result.h"
#include "runtime/agent/web_config.h"

namespace bulkhead::runtime::agent {

struct TlsMaterial {
    std::string certificate, key, client_ca;  // PEM; the last may be empty
    std::string priorities;                   // a GnuTLS priority string: the versions
};

// Fails, naming the file, when one cannot be read or certificate and key do not go together.
Result<TlsMaterial> load_tls(const WebConfig::Tls& tls);

// Whether the client at the other end of `session`, a gnutls_session_t, may ask.
bool client_may_ask(void* session, ClientAuth wanted);

}  // namespace bulkhead::runtime::agent
