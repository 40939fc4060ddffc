#include "runtime/agent/server.h"

#include <microhttpd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string_view>
#include <vector>

#include "runtime/agent/accept.h"

namespace bulkhead::runtime::agent {
namespace {

constexpr unsigned kThreads = 2;
constexpr unsigned kMostConnections = 64;
constexpr unsigned kIdleSeconds = 30;

std::string_view header(MHD_Connection* connection, const char* name) {
    const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value != nullptr ? value : "";
}

void free_body(void* body) {
    delete static_cast<std::string*>(body);
}

using Response = std::unique_ptr<MHD_Response, decltype(&MHD_destroy_response)>;

// The body is sent from where it is, and freed when it is sent or the client is gone.
Response make_response(std::string body, std::string_view content_type) {
    auto kept = std::make_unique<std::string>(std::move(body));
    Response response(MHD_create_response_from_buffer_with_free_callback_cls(
                          kept->size(), kept->data(), &free_body, kept.get()),
                      &MHD_destroy_response);
    if (response) {
        (void)kept.release();
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE,
                                std::string(content_type).c_str());
    }
    return response;
}

struct Answer {
    unsigned status;
    Response response;
};

Answer refuse(unsigned status, const char* why) {
    return {status, make_response(std::string(why) + "\n", "text/plain; charset=utf-8")};
}

Answer with(Answer answer, const char* name, const char* value) {
    if (answer.response)
        MHD_add_response_header(answer.response.get(), name, value);
    return answer;
}

}  // namespace

struct Requests {
    static MHD_Result handle(void* self, MHD_Connection* connection, const char* url,
                             const char* method, const char* /*version*/, const char* /*upload*/,
                             std::size_t* upload_bytes, void** seen) {
        // The first call is for the headers alone; what is uploaded is passed over.
        if (*seen == nullptr || *upload_bytes != 0) {
            *seen = self;
            *upload_bytes = 0;
            return MHD_YES;
        }
        Answer answer = {MHD_HTTP_INTERNAL_SERVER_ERROR, {nullptr, &MHD_destroy_response}};
        try {
            answer = answer_to(*static_cast<Server*>(self), connection, url, method);
        } catch (const std::exception&) {
            // No memory: nothing can be said.
        }
        // Without a response the connection is closed.
        return answer.response
                   ? MHD_queue_response(connection, answer.status, answer.response.get())
                   : MHD_NO;
    }

    static Answer answer_to(Server& server, MHD_Connection* connection, std::string_view url,
                            std::string_view method) {
        // Before anything else is looked at: who may not ask learns nothing.
        if (server.protection_.config.tls.is_on()) {
            const auto* info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
            if (!client_may_ask(info != nullptr ? info->tls_session : nullptr,
                                server.protection_.config.tls.client_auth))
                return refuse(MHD_HTTP_FORBIDDEN, "a client certificate is needed");
        }
        if (!server.passwords_.may_pass(header(connection, MHD_HTTP_HEADER_AUTHORIZATION)))
            return with(refuse(MHD_HTTP_UNAUTHORIZED, "a user and a password are needed"),
                        MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"bulkhead\"");
        if (url != "/metrics")
            return refuse(MHD_HTTP_NOT_FOUND, "metrics are at /metrics");
        if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD)
            return with(refuse(MHD_HTTP_METHOD_NOT_ALLOWED, "GET it"), MHD_HTTP_HEADER_ALLOW,
                        "GET, HEAD");
        return metrics(server, connection);
    }

    static Answer metrics(Server& server, MHD_Connection* connection) {
        const bool openmetrics = wants_openmetrics(header(connection, MHD_HTTP_HEADER_ACCEPT));
        const bool gzip = takes_gzip(header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING));
        Page page = server.render_(openmetrics ? Format::kOpenMetrics : Format::kText,
                                   gzip ? Coding::kGzip : Coding::kPlain);
        Answer answer{MHD_HTTP_OK, make_response(std::move(page.body), page.content_type)};
        if (page.coding == Coding::kGzip)
            answer = with(std::move(answer), MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
        return with(std::move(answer), MHD_HTTP_HEADER_VARY, "Accept, Accept-Encoding");
    }

    // libmicrohttpd tells why it cannot start in no other way. Later it tells of clients that
    // break off, which is no matter.
    __attribute__((format(printf, 2, 0))) static void log(void* self, const char* format,
                                                          va_list arguments) {
        auto* const server = static_cast<Server*>(self);
        if (server->daemon_ != nullptr)
            return;
        char line[256];
        std::vsnprintf(line, sizeof line, format, arguments);
        server->problem_ = line;
        while (server->problem_.ends_with('\n'))
            server->problem_.pop_back();
    }
};

Result<Protection> load_protection(const std::string& web_config_path) {
    BULKHEAD_TRY_VALUE(config, read_web_config(web_config_path));
    Protection protection{std::move(config), {}};
    if (protection.config.tls.is_on()) {
        auto tls = load_tls(protection.config.tls);
        if (!tls)
            return fail(std::move(tls).error().within(web_config_path));
        protection.tls = std::move(*tls);
    }
    return protection;
}

Server::Server(Protection protection, Render render)
    : protection_(std::move(protection)),
      passwords_(protection_.config.users),
      render_(std::move(render)) {}

Result<std::unique_ptr<Server>> Server::start(UniqueFd socket, Protection protection,
                                              Render render) {
    std::unique_ptr<Server> server(new Server(std::move(protection), std::move(render)));
    TlsMaterial& tls = server->protection_.tls;
    std::vector<MHD_OptionItem> options = {
        {MHD_OPTION_LISTEN_SOCKET, socket.get(), nullptr},
        {MHD_OPTION_THREAD_POOL_SIZE, kThreads, nullptr},
        {MHD_OPTION_CONNECTION_LIMIT, kMostConnections, nullptr},
        {MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, nullptr},
    };
    unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    if (server->protection_.config.tls.is_on()) {
        flags |= MHD_USE_TLS;
        options.push_back({MHD_OPTION_HTTPS_MEM_CERT, 0, tls.certificate.data()});
        options.push_back({MHD_OPTION_HTTPS_MEM_KEY, 0, tls.key.data()});
        options.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0, tls.priorities.data()});
        if (!tls.client_ca.empty())
            options.push_back({MHD_OPTION_HTTPS_MEM_TRUST, 0, tls.client_ca.data()});
    }
    options.push_back({MHD_OPTION_END, 0, nullptr});
    errno = 0;
    server->daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, &Requests::handle, server.get(),
                                       MHD_OPTION_EXTERNAL_LOGGER, &Requests::log, server.get(),
                                       MHD_OPTION_ARRAY, options.data(), MHD_OPTION_END);
    if (server->daemon_ == nullptr) {
        const int error = errno;
        return fail(Error(error, "start the HTTP server: " + server->problem_));
    }
    (void)socket.release();
    return server;
}

UniqueFd Server::stop() {
    UniqueFd socket(MHD_quiesce_daemon(daemon_));
    MHD_stop_daemon(std::exchange(daemon_, nullptr));
    return socket;
}

Server::~Server() {
    if (daemon_ != nullptr)
        MHD_stop_daemon(daemon_);
}

}  // namespace bulkhead::runtime::agent
