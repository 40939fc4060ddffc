#include "runtime/agent/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <memory>

namespace bulkhead::runtime::agent {
namespace {

Result<std::string> read_file(const std::string& key, const std::string& path) {
    errno = 0;
    std::ifstream file(path);
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (!file || file.bad())
        return fail(Error(errno, "read the " + key + " " + path, Fault::kUsage));
    return text;
}

gnutls_datum_t datum(const std::string& text) {
    // GnuTLS does not write there; its type has no const.
    return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
            static_cast<unsigned>(text.size())};
}

// As the server will do it, which tells no reason.
Status try_out(const TlsMaterial& material, const WebConfig::Tls& tls) {
    gnutls_certificate_credentials_t made = nullptr;
    if (gnutls_certificate_allocate_credentials(&made) != GNUTLS_E_SUCCESS)
        return fail(Error(ENOMEM, "try the certificate " + tls.cert_file));
    const std::unique_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>,
                          decltype(&gnutls_certificate_free_credentials)>
        credentials(made, &gnutls_certificate_free_credentials);
    const gnutls_datum_t certificate = datum(material.certificate), key = datum(material.key);
    const int error = gnutls_certificate_set_x509_key_mem(credentials.get(), &certificate, &key,
                                                          GNUTLS_X509_FMT_PEM);
    if (error != GNUTLS_E_SUCCESS)
        return fail(Error(0,
                          "use the cert_file " + tls.cert_file + " with the key_file " +
                              tls.key_file + ": " + gnutls_strerror(error),
                          Fault::kUsage));
    if (material.client_ca.empty())
        return {};
    const gnutls_datum_t ca = datum(material.client_ca);
    if (gnutls_certificate_set_x509_trust_mem(credentials.get(), &ca, GNUTLS_X509_FMT_PEM) > 0)
        return {};
    return fail(Error(0, "the client_ca_file " + tls.client_ca_file + " has no certificate",
                      Fault::kUsage));
}

std::string priorities(TlsVersion from, TlsVersion to) {
    constexpr std::array kNames = {":+VERS-TLS1.0", ":+VERS-TLS1.1", ":+VERS-TLS1.2",
                                   ":+VERS-TLS1.3"};
    std::string text = "NORMAL:-VERS-ALL";
    for (auto version = static_cast<unsigned>(from); version <= static_cast<unsigned>(to);
         ++version)
        text += kNames.at(version);
    return text;
}

}  // namespace

Result<TlsMaterial> load_tls(const WebConfig::Tls& tls) {
    TlsMaterial material;
    BULKHEAD_TRY_VALUE(certificate, read_file("cert_file", tls.cert_file));
    BULKHEAD_TRY_VALUE(key, read_file("key_file", tls.key_file));
    material.certificate = std::move(certificate);
    material.key = std::move(key);
    if (!tls.client_ca_file.empty()) {
        BULKHEAD_TRY_VALUE(ca, read_file("client_ca_file", tls.client_ca_file));
        material.client_ca = std::move(ca);
    }
    material.priorities = priorities(tls.min_version, tls.max_version);
    BULKHEAD_TRY(try_out(material, tls));
    return material;
}

bool client_may_ask(void* session, ClientAuth wanted) {
    if (wanted == ClientAuth::kNone)
        return true;
    auto* const tls = static_cast<gnutls_session_t>(session);
    unsigned given = 0;
    if (tls == nullptr)
        return false;
    if (gnutls_certificate_get_peers(tls, &given) == nullptr || given == 0)
        return wanted == ClientAuth::kVerifyIfGiven;
    std::string purpose = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wants{};
    wants.type = GNUTLS_DT_KEY_PURPOSE_OID;
    wants.data = reinterpret_cast<unsigned char*>(purpose.data());
    unsigned wrong = 0;
    return gnutls_certificate_verify_peers(tls, &wants, 1, &wrong) == GNUTLS_E_SUCCESS &&
           wrong == 0;
}

}  // namespace bulkhead::runtime::agent
