// How the agent serves: forms, TLS, passwords, systemd's socket, and clients that behave badly.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "loader/unique_fd.h"
#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/http.h"

namespace bulkhead::tests {
namespace {

const std::string kPage = "://127.0.0.1:" + std::to_string(kAgentPort) + "/metrics";
// bcrypt of "secret" and of "other", with the cheapest cost.
constexpr const char* kSecret = "$2y$04$jg5d9.c25NNXG7EKTuEE4uzOEe6GqaNqS.WLJA0e/JRoapvsq.ZQ.";
constexpr const char* kOther = "$2y$04$9X/jgrjme49EgYmO7KsZ1ur4fpuGmHvfwtxvQxmGcLMfdL2p8.1WC";

// A directory with certificates and a web configuration; goes with the object.
class WebFiles {
public:
    WebFiles() {
        std::filesystem::create_directories(kDirectory);
        make_certificate("agent", "-addext subjectAltName=IP:127.0.0.1");
        make_certificate("scraper", "-addext extendedKeyUsage=clientAuth");
        make_certificate("stranger", "-addext extendedKeyUsage=clientAuth");
    }
    WebFiles(const WebFiles&) = delete;
    WebFiles& operator=(const WebFiles&) = delete;
    ~WebFiles() { std::filesystem::remove_all(kDirectory); }

    // The path of the configuration with this text.
    static std::string configure(const std::string& text) {
        std::string path = kDirectory + "/web.yml";
        std::ofstream(path) << text;
        return path;
    }
    static std::string tls(const std::string& more = "") {
        return "tls_server_config:\n  cert_file: agent.pem\n  key_file: agent.key\n" + more;
    }
    static std::string user(const std::string& hash) {
        return "basic_auth_users:\n  prometheus: " + hash + "\n";
    }
    // Options of curl.
    static std::string trusting() { return "--cacert " + kDirectory + "/agent.pem "; }
    static std::string as(const std::string& who) {
        return "--cert " + kDirectory + "/" + who + ".pem --key " + kDirectory + "/" + who +
               ".key ";
    }

private:
    static void make_certificate(const std::string& name, const std::string& more) {
        const std::string path = kDirectory + "/" + name;
        const std::string command =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 "
            "-subj /CN=" +
            name + " -keyout " + path + ".key -out " + path + ".pem " + more +
            " 2>/run/openssl.out";
        EXPECT_EQ(std::system(command.c_str()), 0) << command;
    }

    static inline const std::string kDirectory = "/run/agent-web-test";
};

const std::string kStatus = "--output /dev/null --write-out '%{http_code}' ";

// A connection on which this was sent.
UniqueFd send_to_agent(const std::string& text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(kAgentPort));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(
        ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        0);
    EXPECT_EQ(::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    return connection;
}

// Breaks the connection off: the other end gets a reset.
void abort_connection(UniqueFd connection) {
    const linger none{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    connection.reset();
}

std::size_t open_files(pid_t pid) {
    const std::filesystem::directory_iterator files("/proc/" + std::to_string(pid) + "/fd"), end;
    return static_cast<std::size_t>(std::distance(files, end));
}

TEST(AgentWeb, AnswersInTheFormThatIsAskedFor) {
    const Agent agent;
    const std::string headers = "--dump-header - http" + kPage;
    const std::string classic = curl(headers).out;
    EXPECT_NE(classic.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
    EXPECT_EQ(classic.find("# EOF"), std::string::npos);
    const std::string modern =
        curl("-H 'Accept: application/openmetrics-text; version=1.0.0' " + headers).out;
    EXPECT_NE(modern.find("Content-Type: application/openmetrics-text; version=1.0.0"),
              std::string::npos);
    EXPECT_TRUE(modern.ends_with("\n# EOF\n"));
    const std::string zipped = curl("--compressed " + headers).out;
    EXPECT_NE(zipped.find("Content-Encoding: gzip"), std::string::npos);
    EXPECT_NE(zipped.find("\nbulkhead_up 1\n"), std::string::npos);
}

TEST(AgentWeb, ServesNothingElse) {
    const Agent agent;
    EXPECT_EQ(curl(kStatus + "http://" + agent_address() + "/").out, "404");
    EXPECT_EQ(curl(kStatus + "--path-as-is http://" + agent_address() + "/metrics/../x").out,
              "404");
    EXPECT_EQ(curl(kStatus + "--data x http" + kPage).out, "405");
    EXPECT_EQ(curl(kStatus + "--head http" + kPage).out, "200");
}

TEST(AgentWeb, ServesOverTlsToWhoKnowsThePassword) {
    const WebFiles files;
    const Agent agent(
        {"--web-config", WebFiles::configure(WebFiles::tls() + WebFiles::user(kSecret))});
    const std::string page = WebFiles::trusting() + "https" + kPage;
    EXPECT_NE(curl("--user prometheus:secret " + page).out.find("\nbulkhead_up 1\n"),
              std::string::npos);
    const std::string status = kStatus + page;
    for (const char* who : {"", "--user prometheus:wrong ", "--user other:secret "}) {
        const std::string answer = curl(who + page).out;
        EXPECT_EQ(answer.find("bulkhead_up"), std::string::npos) << who;
        EXPECT_EQ(curl(who + status).out, "401") << who;
    }
    EXPECT_EQ(curl("http" + kPage).out, "") << "without TLS there is no answer";
    EXPECT_NE(curl("--tls-max 1.1 --user prometheus:secret " + page).exit_code, 0);
}

TEST(AgentWeb, WantsTheCertificateOfAScraper) {
    const WebFiles files;
    const Agent agent({"--web-config", WebFiles::configure(WebFiles::tls(
                                           "  client_ca_file: scraper.pem\n"
                                           "  client_auth_type: RequireAndVerifyClientCert\n"))});
    const std::string page = kStatus + WebFiles::trusting() + "https" + kPage;
    EXPECT_EQ(curl(WebFiles::as("scraper") + page).out, "200");
    EXPECT_EQ(curl(page).out, "403");
    EXPECT_NE(curl(WebFiles::as("stranger") + page).out, "200");
}

TEST(AgentWeb, ReadsItsConfigurationAgain) {
    const WebFiles files;
    const Agent agent({"--web-config", WebFiles::configure(WebFiles::user(kSecret))});
    const auto status = [](const char* password) {
        return curl("--user prometheus:" + std::string(password) + " " + kStatus + "http" + kPage)
            .out;
    };
    EXPECT_EQ(status("secret"), "200");
    WebFiles::configure(WebFiles::user(kOther));
    ::kill(agent.pid(), SIGHUP);
    EXPECT_TRUE(eventually([&] { return status("other") == "200"; }));
    EXPECT_EQ(status("secret"), "401");
    // One that is wrong changes nothing.
    WebFiles::configure("basic_auth_user: {}\n");
    ::kill(agent.pid(), SIGHUP);
    ::sleep(1);
    EXPECT_EQ(status("other"), "200");
    EXPECT_EQ(status(""), "401");
}

TEST(AgentWeb, DoesNotStartWithAConfigurationThatItDoesNotUnderstand) {
    const WebFiles files;
    const auto refused = [](const std::string& text) {
        const Outcome outcome = bulkhead(
            {"agent", "--listen", agent_address(), "--web-config", WebFiles::configure(text)});
        EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
        EXPECT_FALSE(is_listening(kAgentPort));
        return outcome.err;
    };
    EXPECT_NE(refused(WebFiles::tls("  certfile: x\n")).find("web.yml:4: the key `certfile`"),
              std::string::npos);
    EXPECT_NE(refused("tls_server_config: {cert_file: none.pem, key_file: agent.key}\n")
                  .find("/none.pem: No such file"),
              std::string::npos);
    EXPECT_NE(refused("tls_server_config: {cert_file: agent.pem, key_file: scraper.key}\n")
                  .find("use the cert_file"),
              std::string::npos);
    EXPECT_NE(refused("tls_server_config: {cert_file: agent.key, key_file: agent.key}\n")
                  .find("use the cert_file"),
              std::string::npos);
}

class Activated {
public:
    // As systemd does it: the socket is descriptor 3, the process that is meant is named.
    Activated(int socket, const Arguments& arguments) : pid_(::fork()) {
        if (pid_ != 0)
            return;
        ::dup2(socket, 3);
        ::fcntl(3, F_SETFD, 0);  // where it was 3 already, it would be closed
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        execute(joined({program_path()}, arguments));
    }
    // By a program of systemd's, which listens for it and becomes it when somebody connects.
    Activated(const std::string& address, const Arguments& arguments) : pid_(::fork()) {
        if (pid_ == 0)
            execute(
                joined({"/usr/bin/systemd-socket-activate", "--listen=" + address, program_path()},
                       arguments));
    }
    Activated(const Activated&) = delete;
    Activated& operator=(const Activated&) = delete;
    ~Activated() {
        if (pid_ < 0)
            return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    // How it ended by itself.
    int exit_code() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    [[nodiscard]] std::string command() const {
        std::string name;
        std::ifstream("/proc/" + std::to_string(pid_) + "/comm") >> name;
        return name;
    }

private:
    [[noreturn]] static void execute(Arguments arguments) {
        std::vector<char*> words;
        for (std::string& word : arguments)
            words.push_back(word.data());
        words.push_back(nullptr);
        ::execv(words[0], words.data());
        ::_exit(127);
    }

    pid_t pid_;
};

UniqueFd bound_socket() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(kAgentPort));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int yes = 1;
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
}

TEST(AgentWeb, TakesTheSocketOfSystemd) {
    const UniqueFd socket = bound_socket();
    ASSERT_EQ(::listen(socket.get(), 16), 0);
    for (int i = 0; i < 2; ++i) {  // it stays systemd's when the agent ends
        const Activated agent(socket.get(), {"agent"});
        EXPECT_NE(http_get(kAgentPort, "/metrics").find("\nbulkhead_up 1\n"), std::string::npos)
            << "a scrape waits until the agent is there";
    }
}

TEST(AgentWeb, IsStartedBySystemdWhenSomebodyScrapes) {
    const Activated agent(agent_address(), {"agent"});
    ASSERT_TRUE(eventually([&] { return agent.command() == "systemd-socket-"; }));
    EXPECT_TRUE(eventually([] {
        return http_get(kAgentPort, "/metrics").find("\nbulkhead_up 1\n") != std::string::npos;
    }));
    EXPECT_EQ(agent.command(), "bulkhead-agent");
}

TEST(AgentWeb, TakesNoOtherSocketOfSystemd) {
    const UniqueFd socket = bound_socket();
    EXPECT_EQ(Activated(socket.get(), {"agent"}).exit_code(), 2) << "it does not listen";
    ASSERT_EQ(::listen(socket.get(), 16), 0);
    EXPECT_EQ(Activated(socket.get(), {"agent", "--listen", "127.0.0.1:0"}).exit_code(), 2)
        << "two places";
}

TEST(AgentWeb, OutlivesScrapesThatAreBrokenOff) {
    const Agent agent;
    ASSERT_NE(http_get(kAgentPort, "/metrics"), "");
    const std::size_t before = open_files(agent.pid());
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
    for (int i = 0; i < 25; ++i) {
        abort_connection(send_to_agent(request));           // half of the request
        abort_connection(send_to_agent(request + "\r\n"));  // all of it, and gone
        abort_connection(send_to_agent("\x16\x03\x01 nonsense\r\n\r\n"));
        char some[16];
        UniqueFd half = send_to_agent(request + "\r\n");
        EXPECT_GT(::read(half.get(), some, sizeof some), 0);
        abort_connection(std::move(half));  // half of the answer
    }
    EXPECT_NE(http_get(kAgentPort, "/metrics").find("\nbulkhead_up 1\n"), std::string::npos);
    EXPECT_TRUE(eventually([&] { return open_files(agent.pid()) <= before; }, 60))
        << open_files(agent.pid()) << " of " << before;
}

}  // namespace
}  // namespace bulkhead::tests
