// The agent's HTTP endpoint, by libmicrohttpd: /metrics, to whoever the web configuration lets in.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "loader/result.h"
#include "loader/unique_fd.h"
#include "runtime/agent/page.h"
#include "runtime/agent/passwords.h"
#include "runtime/agent/tls.h"
#include "runtime/agent/web_config.h"

struct MHD_Daemon;

namespace bulkhead::runtime::agent {

// How requests are answered. Called by several threads at once.
using Render = std::function<Page(Format format, Coding coding)>;

// A web configuration with what it names.
struct Protection {
    WebConfig config;
    TlsMaterial tls;  // empty where the configuration has none
};

// The default: neither TLS nor users.
Result<Protection> load_protection(const std::string& web_config_path);

class Server {
public:
    // Serves on `socket`, which listens, until it is destroyed or stopped.
    static Result<std::unique_ptr<Server>> start(UniqueFd socket, Protection protection,
                                                 Render render);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Ends connections and gives the socket back: who connects meanwhile waits for the next server.
    UniqueFd stop();

private:
    Server(Protection protection, Render render);
    friend struct Requests;

    Protection protection_;
    Passwords passwords_;
    Render render_;
    std::string problem_;  // that libmicrohttpd told while it started
    MHD_Daemon* daemon_ = nullptr;
};

}  // namespace bulkhead::runtime::agent
