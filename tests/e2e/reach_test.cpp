// [network] with names, between environments of the host's network that the installed program
// starts.
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {
namespace {

// TCP and UDP on one port of all addresses; tells what a datagram brought.
constexpr const char* kServer = R"(
import socket
listener = socket.create_server(('', 7500), backlog=64)
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(('', 7500))
open('/tmp/ready', 'w').close()
while True:
    peer, _ = listener.accept()
    peer.sendall(b'served')
    peer.close()
)";
constexpr const char* kClient = R"(
import socket
print(socket.create_connection(('127.0.0.1', 7500), 10).recv(6).decode())
)";

class Server {
public:
    explicit Server(const std::string& name)
        : running_(name, {"python3", "-c", kServer}, {"--network", "host"}) {
        EXPECT_TRUE(
            eventually([&] { return exec(name, "test -e /tmp/ready").exit_code == 0; }, 60));
    }

private:
    Detached running_;
};

Outcome ask() {
    return bulkhead({"exec", "app", "--", "python3", "-c", kClient});
}

bool sends() {
    return exec("app", "echo x > /dev/udp/127.0.0.1/7500").exit_code == 0;
}

void expect_served() {
    const Outcome outcome = ask();
    EXPECT_EQ(outcome.out, "served\n") << outcome.err;
    EXPECT_TRUE(sends());
}

// `why` tells the last of those that one rule refused.
void expect_explained(const std::string& protocol, const std::string& rule) {
    const std::string why = bulkhead({"why", "app"}).out;
    for (const std::string& part : {protocol + " environment db (127.0.0.1:7500): EPERM", rule,
                                    "[network] allow = [\"environment:db:7500/" + protocol + "\"]"})
        EXPECT_NE(why.find(part), std::string::npos) << part << " is not in\n" << why;
}

void expect_refused(const std::string& rule) {
    const Outcome outcome = ask();
    EXPECT_NE(outcome.exit_code, 0) << outcome.out;
    EXPECT_NE(outcome.err.find("not permitted"), std::string::npos) << outcome.err;
    expect_explained("tcp", rule);
    EXPECT_FALSE(sends());
    expect_explained("udp", rule);
}

void give(const std::string& policy) {
    const Outcome applied = bulkhead({"policy", "apply", "app", policy});
    EXPECT_EQ(applied.exit_code, 0) << applied.err;
}

TEST(Reach, OfEnvironmentsIsDecidedByTheirNames) {
    const NothingLeft nothing_left;
    const PolicyFile refusing("refusing", "[network]\nrefuse = [\"environment:db\"]\n");
    const PolicyFile allowing("allowing",
                              "[network]\ndefault = \"refuse\"\nallow = [\"environment:db\"]\n");
    const PolicyFile neither("neither", "[network]\ndefault = \"refuse\"\n");
    const Detached app("app", {"sleep", "600"}, {"--network", "host", "--policy", refusing.path()});
    {
        const Server db("db");
        expect_refused("/tmp/refusing.toml:2:11: [network] refuse \"environment:db\"");
        give("default");
        expect_served();
        give(allowing.path());
        expect_served();
        give(neither.path());
        EXPECT_NE(ask().exit_code, 0);
        give(refusing.path());
        expect_refused("/tmp/refusing.toml:2:11: [network] refuse \"environment:db\"");
    }
    {
        const Server cache("cache");
        expect_served();
        give(allowing.path());
        EXPECT_NE(ask().exit_code, 0) << "the name is not the next one's at the address";
        give(refusing.path());
    }
    const Server again("db");
    expect_refused("/tmp/refusing.toml:2:11: [network] refuse \"environment:db\"");
}

}  // namespace
}  // namespace bulkhead::tests
