// bulkhead-agent: the Prometheus endpoint; budgets are carried out and what ended goes to the
// ledger while it runs, and where it is told to, the programs are taken out while nobody lives. A
// program of its own, as it needs shared libraries that would slow down every other command. The
// fence and the meters do not depend on it.
#include <malloc.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cli/options.h"
#include "loader/agent_port.h"
#include "runtime/agent/listen_socket.h"
#include "runtime/agent/log.h"
#include "runtime/agent/server.h"
#include "runtime/cgroup.h"
#include "runtime/exporter.h"
#include "runtime/governor.h"
#include "runtime/idle_unload.h"
#include "runtime/plans.h"
#include "runtime/receipts_drain.h"
#include "runtime/running.h"
#include "runtime/start.h"

namespace bulkhead::cli {
namespace {

namespace agent = runtime::agent;

constexpr const char* kDefaultAddress = "127.0.0.1:9750";

struct Options {
    std::string listen;      // empty: systemd's socket, else kDefaultAddress
    std::string web_config;  // empty: neither TLS nor users
    std::string idle_unload = "never";
};

// Announced again and again, so that it is known to programs that were loaded meanwhile.
class AnnouncedPort {
public:
    explicit AnnouncedPort(int port) : port_(static_cast<unsigned>(port)) {}
    AnnouncedPort(const AnnouncedPort&) = delete;
    AnnouncedPort& operator=(const AnnouncedPort&) = delete;
    ~AnnouncedPort() { (void)loader::withdraw_agent_port(port_); }

    // Nothing loaded: there is no environment that could reach the agent.
    [[nodiscard]] Status announce() const {
        auto done = loader::announce_agent_port(port_);
        return !done && done.error().code() == ENOENT ? Status{} : done;
    }

private:
    unsigned port_;
};

Result<UniqueFd> open_socket(const std::string& listen) {
    BULKHEAD_TRY_VALUE(passed, agent::passed_socket());
    if (passed && !listen.empty())
        return fail(Error(0, "there is a socket of systemd and --listen " + listen, Fault::kUsage)
                        .advise("leave out --listen, or disable the socket unit"));
    if (passed)
        return std::move(*passed);
    return agent::listen_on(listen.empty() ? kDefaultAddress : listen);
}

sigset_t awaited_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

// Something that is done again and again: a problem is told when it begins.
class Repeated {
public:
    explicit Repeated(std::function<Status()> what) : what_(std::move(what)) {}

    void once() {
        const auto done = what_();
        const std::string problem = done ? "" : done.error().message();
        if (!problem.empty() && problem != told_)
            agent::log_error(problem);
        told_ = problem;
    }

private:
    std::function<Status()> what_;
    std::string told_;
};

// What ended cannot be stored: it waits.
void store_ended() {
    (void)runtime::open_drained_ledger();
}

Status unload_when_idle(runtime::IdleUnload& idle) {
    BULKHEAD_TRY_VALUE(unloaded, idle.once(runtime::boot_time_ns()));
    if (unloaded)
        agent::log_info("no environment lives: the programs are unloaded; the next run loads them");
    return {};
}

// What budgets ask for within a second, plans every five. The ledger every ten: a power cut loses
// at most that of what ended.
int attend_until(const sigset_t& stop, Repeated& idle, Repeated& port) {
    constexpr timespec kSecond = {1, 0};
    constexpr unsigned kSecondsOfPlans = 5, kSecondsOfLedger = 10;
    Repeated budgets(runtime::govern_all), plans(runtime::move_plans);
    Repeated ledger(runtime::keep_ledger);
    for (unsigned second = 0;; ++second) {
        port.once();
        budgets.once();
        idle.once();
        if (second % kSecondsOfPlans == 0)
            plans.once();
        if (second % kSecondsOfLedger == 0)
            ledger.once();
        const int signal = ::sigtimedwait(&stop, nullptr, &kSecond);
        if (signal > 0)
            return signal;
    }
}

// The endpoint, and how it is protected.
class Endpoint {
public:
    explicit Endpoint(const Options& options)
        : web_config_(options.web_config),
          exporter_(std::string(runtime::kEnvironmentsCgroup), BULKHEAD_VERSION) {}

    Status open(const std::string& listen) {
        BULKHEAD_TRY_VALUE(protection, load());
        BULKHEAD_TRY_VALUE(socket, open_socket(listen));
        BULKHEAD_TRY_VALUE(bound, agent::bound_to(socket.get()));
        port_.emplace(bound.port);
        // Before anybody is served. What is wrong is told when it is done again.
        (void)announce_port();
        agent::log_info("serving /metrics on " + bound.address +
                        (protection.config.tls.is_on() ? " with TLS" : ""));
        return start(std::move(socket), std::move(protection));
    }

    [[nodiscard]] Status announce_port() const { return port_->announce(); }

    // Reads the web configuration again. One that is wrong changes nothing.
    Status reload() {
        if (web_config_.empty())
            return {};
        auto protection = load();
        if (!protection) {
            agent::log_error(protection.error().message() + "\n  the last configuration stays");
            return {};
        }
        agent::log_info("reading " + web_config_ + " again");
        return start(server_->stop(), std::move(*protection));
    }

private:
    [[nodiscard]] Result<agent::Protection> load() const {
        return web_config_.empty() ? agent::Protection{} : agent::load_protection(web_config_);
    }

    Status start(UniqueFd socket, agent::Protection protection) {
        auto server = agent::Server::start(std::move(socket), std::move(protection),
                                           [this](agent::Format format, agent::Coding coding) {
                                               (void)announce_port();
                                               return agent::render(exporter_, format, coding);
                                           });
        if (!server)
            return fail(std::move(server).error());
        server_ = std::move(*server);
        return {};
    }

    std::string web_config_;
    runtime::Exporter exporter_;
    std::optional<AnnouncedPort> port_;
    std::unique_ptr<agent::Server> server_;  // last, so that it ends first: it uses the others
};

Status serve(const Options& options) {
    BULKHEAD_TRY_VALUE(idle_after_ns, runtime::parse_idle_after(options.idle_unload));
    runtime::IdleUnload idle_unload(idle_after_ns, store_ended);
    Repeated idle([&] { return unload_when_idle(idle_unload); });
    // Blocked before the server's threads exist, so that only sigtimedwait() takes them.
    const sigset_t awaited = awaited_signals();
    ::pthread_sigmask(SIG_BLOCK, &awaited, nullptr);
    Endpoint endpoint(options);
    BULKHEAD_TRY(endpoint.open(options.listen));
    Repeated port([&] { return endpoint.announce_port(); });
    int signal = 0;
    while ((signal = attend_until(awaited, idle, port)) == SIGHUP)
        BULKHEAD_TRY(endpoint.reload());
    agent::log_info(std::string("stopped by ") + ::strsignal(signal));
    return {};
}

int main(int argc, char** argv) {
    // One heap: scrapes take turns, and a heap for each thread would keep what its last one needed.
    ::mallopt(M_ARENA_MAX, 1);
    agent::log_to_stderr("bulkhead-agent");
    OptionSet set("Serves the usage of all environments to Prometheus", "bulkhead agent");
    Options options;
    set.value("--listen", options.listen, "address and port");
    set.value("--web-config", options.web_config, "TLS and users");
    set.value("--idle-unload", options.idle_unload, "when to unload").last_counts();
    const auto parsed = set.parse(argc, argv);
    if (parsed && *parsed == OptionSet::Parsed::kAnswered)
        return 0;
    const Status done = parsed ? serve(options) : fail(parsed.error());
    if (!done) {
        std::fprintf(stderr, "bulkhead agent: %s\n", done.error().message().c_str());
        return done.error().fault() == Fault::kUsage ? 2 : 1;
    }
    return 0;
}

}  // namespace
}  // namespace bulkhead::cli

int main(int argc, char** argv) {
    return bulkhead::cli::main(argc, argv);
}
