// bulkhead-agent: the Prometheus endpoint, and what ended goes to the ledger while it runs. A
// program of its own, as it needs shared libraries that would slow down every other command.
// Nothing depends on it: what it does not do the next command does.
#include <netinet/in.h>
#include <prometheus/exposer.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "loader/agent_port.h"
#include "runtime/cgroup.h"
#include "runtime/exporter.h"
#include "runtime/running.h"

namespace bulkhead::cli {
namespace {

// The exporter's errors end here, and so do the library's exceptions.
Result<std::unique_ptr<prometheus::Exposer>> listen_on(const std::string& address) {
    const std::string port = address.substr(address.rfind(':') + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string::npos)
        return fail(Error(0, address + " is not an address and port", Fault::kUsage)
                        .advise("such as --listen 127.0.0.1:9750"));
    try {
        errno = 0;
        return std::make_unique<prometheus::Exposer>(address, 2);
    } catch (const std::exception&) {
        // CivetWeb does not tell the reason, and leaves errno as the failed call set it.
        return fail(Error(errno, "listen on " + address)
                        .advise("choose another address with --listen ADDRESS:PORT"));
    }
}

// Announced at every scrape, so that it is known to programs that were loaded meanwhile.
class AnnouncedPort : public prometheus::Collectable {
public:
    explicit AnnouncedPort(int port) : port_(static_cast<unsigned>(port)) { announce(); }
    AnnouncedPort(const AnnouncedPort&) = delete;
    AnnouncedPort& operator=(const AnnouncedPort&) = delete;
    ~AnnouncedPort() override { (void)loader::withdraw_agent_port(port_); }

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
        announce();
        return {};
    }

private:
    // Nothing loaded: there is no environment that could reach the agent.
    void announce() const {
        if (const auto done = loader::announce_agent_port(port_);
            !done && done.error().code() != ENOENT)
            spdlog::error("{}", done.error().message());
    }

    unsigned port_;
};

sigset_t stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

// Every ten seconds: a power cut loses at most that of what ended.
int keep_ledger_until(const sigset_t& stop) {
    constexpr timespec kPause = {10, 0};
    std::string told;
    while (true) {
        const auto kept = runtime::keep_ledger();
        const std::string problem = kept ? "" : kept.error().message();
        if (!problem.empty() && problem != told)
            spdlog::error("{}", problem);
        told = problem;
        const int signal = ::sigtimedwait(&stop, nullptr, &kPause);
        if (signal > 0)
            return signal;
    }
}

Status serve(const std::string& address) {
    // Blocked before the server's threads exist, so that only sigwait() takes them.
    const sigset_t stop = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
    BULKHEAD_TRY_VALUE(exposer, listen_on(address));
    const int port = exposer->GetListeningPorts().front();
    const auto announced = std::make_shared<AnnouncedPort>(port);
    const auto exporter = std::make_shared<runtime::Exporter>(
        std::string(runtime::kEnvironmentsCgroup), BULKHEAD_VERSION);
    exposer->RegisterCollectable(announced);
    exposer->RegisterCollectable(exporter);
    spdlog::info("serving /metrics on {} (port {})", address, port);
    const int signal = keep_ledger_until(stop);
    spdlog::info("stopped by {}", ::strsignal(signal));
    return {};
}

int main(int argc, char** argv) {
    spdlog::set_default_logger(spdlog::stderr_logger_mt("bulkhead-agent"));
    CLI::App app{"Serves the usage of all environments to Prometheus", "bulkhead agent"};
    std::string address = "127.0.0.1:9750";
    app.add_option("--listen", address, "address and port")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    if (const auto done = serve(address); !done) {
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
