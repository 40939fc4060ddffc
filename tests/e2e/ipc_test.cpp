// [ipc] between two environments that the installed program starts.
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {
namespace {

// Hands whoever connects a descriptor of memory that both share.
constexpr const char* kServer = R"(
import os, socket
memory = os.memfd_create('shared')
os.write(memory, b'shared')
listener = socket.socket(socket.AF_UNIX)
listener.bind('\0bulkhead-ipc')
listener.listen()
open('/tmp/ready', 'w').close()
while True:
    peer, _ = listener.accept()
    socket.send_fds(peer, [b'x'], [memory])
    peer.close()
)";
constexpr const char* kClient = R"(
import os, socket
peer = socket.socket(socket.AF_UNIX)
peer.connect('\0bulkhead-ipc')
print(os.pread(socket.recv_fds(peer, 1, 1)[1][0], 6, 0).decode())
)";

Outcome ask() {
    return bulkhead({"exec", "app", "--", "python3", "-c", kClient});
}

void expect_refused_with_advice(const std::string& advice) {
    const Outcome outcome = ask();
    EXPECT_NE(outcome.exit_code, 0) << outcome.out;
    EXPECT_NE(outcome.err.find("not permitted"), std::string::npos) << outcome.err;
    const std::string why = bulkhead({"why", "app"}).out;
    EXPECT_NE(why.find("to allow it: " + advice + "\n"), std::string::npos) << why;
}

void give(const std::string& name, const std::string& policy) {
    const Outcome applied = bulkhead({"policy", "apply", name, policy});
    EXPECT_EQ(applied.exit_code, 0) << applied.err;
}

constexpr const char* kInApp = R"([ipc] connect = ["db"] in the policy of app)";
constexpr const char* kInDb = R"([ipc] connect = ["app"] in the policy of db)";

TEST(Ipc, ConnectsWhileBothPoliciesSaySo) {
    const NothingLeft nothing_left;
    const PolicyFile of_app("app", "[ipc]\nconnect = [\"db\"]\n");
    const PolicyFile of_db("db", "[ipc]\nconnect = [\"app\"]\n");
    const Detached app("app", {"sleep", "600"}, {"--network", "host", "--policy", of_app.path()});
    const Detached db("db", {"python3", "-c", kServer},
                      {"--network", "host", "--policy", of_db.path()});
    ASSERT_TRUE(eventually([] { return exec("db", "test -e /tmp/ready").exit_code == 0; }, 60));
    const Outcome allowed = ask();
    EXPECT_EQ(allowed.out, "shared\n") << allowed.err;
    give("app", "default");
    expect_refused_with_advice(kInApp);
    give("db", "default");
    expect_refused_with_advice(std::string(kInApp) + ", and " + kInDb);
    give("app", of_app.path());
    expect_refused_with_advice(kInDb);
    give("db", of_db.path());
    EXPECT_EQ(ask().out, "shared\n");
}

}  // namespace
}  // namespace bulkhead::tests
