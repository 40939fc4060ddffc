// The packets of an exec's sockets.
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "loader/pins.h"
#include "tests/kernel/exec_act.h"
#include "tests/kernel/network_peers.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

// Datagrams to itself over loopback.
int talk_to_itself(const InetAddress& address, int count, std::size_t bytes) {
    const UniqueFd server(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const UniqueFd client(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (::bind(server.get(), address.get(), address.bytes()) != 0)
        return errno;
    std::string data(bytes, 'x');
    for (int i = 0; i < count; ++i)
        if (::sendto(client.get(), data.data(), bytes, 0, address.get(), address.bytes()) < 0 ||
            ::read(server.get(), data.data(), bytes) < 0)
            return errno;
    return 0;
}

void expect_traffic(const bh_traffic& counted, __u64 packets, __u64 packet_bytes) {
    EXPECT_EQ(counted.packets, packets);
    EXPECT_EQ(counted.bytes, packets * packet_bytes);
}

// With their IP headers, by direction and family; of its sockets only.
PROVES(Exec, CountsThePacketsOfItsSockets, "bh_ex_receive", "bh_ex_send", "bh_sock_label");
TEST(Exec, CountsThePacketsOfItsSockets) {
    prepare_loopback();
    BareEnvironment mine("mine");
    Exec exec(mine, [] {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(talk_to_itself(InetAddress("127.0.0.1", 7101), 20, 1000));
        return wait_for(child) + talk_to_itself(InetAddress("::1", 7101), 5, 100);
    });
    Exec other(mine, [] { return talk_to_itself(InetAddress("127.0.0.1", 7102), 3, 10); });
    EXPECT_EQ(other.run(), 0);
    EXPECT_EQ(
        Actor::run(&mine, [] { return talk_to_itself(InetAddress("127.0.0.1", 7103), 7, 1000); }),
        0);
    EXPECT_EQ(exec.run(), 0);
    for (const bh_direction direction : {BH_RECEIVED, BH_SENT}) {
        const bh_exec row = exec.ended();
        expect_traffic(row.traffic[direction][BH_FAMILY_IPV4], 20, 1000 + 8 + 20);
        expect_traffic(row.traffic[direction][BH_FAMILY_IPV6], 5, 100 + 8 + 40);
        expect_traffic(other.row().traffic[direction][BH_FAMILY_IPV4], 3, 10 + 8 + 20);
    }
}

// A connection is that of the exec whose socket listened, whoever is at the other end.
TEST(Exec, CountsWhatItAccepted) {
    prepare_loopback();
    BareEnvironment mine("mine");
    const InetAddress address("127.0.0.1", 7104);
    constexpr std::size_t kBytes = 100'000;
    const Pipe listens;
    Exec exec(mine, [&] {
        const UniqueFd server = server_at(address, SOCK_STREAM);
        listens.go();
        const UniqueFd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
        char buffer[4096];
        while (::read(peer.get(), buffer, sizeof buffer) > 0)
            continue;
        return 0;
    });
    exec.go();
    listens.wait();
    {
        const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::connect(client.get(), address.get(), address.bytes()), 0);
        const std::string data(kBytes, 'x');
        EXPECT_EQ(::write(client.get(), data.data(), kBytes), static_cast<ssize_t>(kBytes));
    }
    EXPECT_EQ(exec.join(), 0);
    const bh_exec row = exec.ended();
    EXPECT_GT(row.traffic[BH_RECEIVED][BH_FAMILY_IPV4].bytes, kBytes);
    EXPECT_LT(row.traffic[BH_RECEIVED][BH_FAMILY_IPV4].bytes, 2 * kBytes);
    EXPECT_GE(row.traffic[BH_SENT][BH_FAMILY_IPV4].packets, 2U) << "it answers";
    EXPECT_LT(row.traffic[BH_SENT][BH_FAMILY_IPV4].bytes, kBytes);
}

bool counts_packets(const BareEnvironment& environment) {
    const std::string serial = std::to_string(environment.label().serial);
    return ::access(loader::link_pin("bh_ex_send-" + serial).c_str(), F_OK) == 0 &&
           ::access(loader::link_pin("bh_ex_receive-" + serial).c_str(), F_OK) == 0;
}

TEST(Exec, PacketsPassNoProgramWhenNoneLives) {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    EXPECT_FALSE(counts_packets(mine));
    {
        Exec lasting(mine, [] { return 0; });
        {
            Exec brief(mine, [] { return 0; });
            EXPECT_EQ(brief.run(), 0);
            EXPECT_NE(brief.ended().ended_ns, 0U);
        }
        EXPECT_TRUE(counts_packets(mine)) << "another one lives";
        EXPECT_FALSE(counts_packets(other));
        EXPECT_EQ(lasting.run(), 0);
        EXPECT_NE(lasting.ended().ended_ns, 0U);
    }
    EXPECT_FALSE(counts_packets(mine));
}

}  // namespace
}  // namespace bulkhead::tests
