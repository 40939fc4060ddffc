// What environments hold and no program counts: read from their tasks when somebody asks.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "loader/held.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/user_namespace.h"

namespace bulkhead::tests {
namespace {

loader::Held held_by(const BareEnvironment& environment) {
    const auto held = loader::read_held(environment.label());
    EXPECT_TRUE(held.has_value()) << held.error().message();
    return held.value_or(loader::Held{});
}

constexpr std::size_t kPages = 1000;

void* map_private(int protection) {
    return ::mmap(nullptr, kPages * 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// Mapped is enough; what cannot be written is not private. An address space counts once.
FENCE_TEST(ReadsPrivatePages, "bh_held_tasks") {
    BareEnvironment mine("mine");
    BareEnvironment other("other");
    __u64 before = 0;
    {
        const Actor small(&mine, [] {});
        before = held_by(mine).private_pages;
        EXPECT_GT(before, 0U);
    }
    const Actor large(&mine, [] {
        EXPECT_NE(map_private(PROT_READ | PROT_WRITE), MAP_FAILED);
        EXPECT_NE(map_private(PROT_READ), MAP_FAILED);
    });
    EXPECT_GE(held_by(mine).private_pages, before + kPages);
    EXPECT_LT(held_by(mine).private_pages, before + 2 * kPages);
    EXPECT_EQ(held_by(other).private_pages, 0U);
}

FENCE_TEST(ReadsMounts, "bh_held_tasks") {
    const UserNamespace inside;
    const Tmpfs place;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    mine.allow(BH_CLASS_MOUNTS);
    bh_environment record = mine.record();
    record.user_ns = inside.inode();
    mine.publish(record);
    const auto mounts = [&](int more) {
        const Actor mounting(&mine, [&] {
            EXPECT_EQ(inside.enter(), 0);
            EXPECT_EQ(outcome(::unshare(CLONE_NEWNS)), 0);
            EXPECT_EQ(outcome(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr)), 0);
            for (int i = 0; i < more; ++i)
                EXPECT_EQ(outcome(::mount("t", place.path().c_str(), "tmpfs", 0, nullptr)), 0);
        });
        return held_by(mine).mounts;
    };
    const __u64 before = mounts(0);
    EXPECT_GT(before, 0U);
    EXPECT_EQ(mounts(3), before + 3);
    const Actor outside(&mine, [] {});
    EXPECT_EQ(held_by(mine).mounts, 0U) << "of the host's namespace";
}

// Two ends of a kind with bytes on their way from the first to the second; nobody reads.
void fill(int family, int type, std::size_t bytes) {
    std::array<int, 2> ends{-1, -1};
    if (family == AF_UNIX) {
        EXPECT_EQ(::socketpair(family, type, 0, ends.data()), 0);
    } else {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof name;
        auto* address = reinterpret_cast<sockaddr*>(&name);
        const int listener = ::socket(family, type, 0);
        EXPECT_EQ(::bind(listener, address, sizeof name), 0);
        EXPECT_EQ(::getsockname(listener, address, &length), 0);
        ends[0] = ::socket(family, type, 0);
        const bool connects = type == SOCK_STREAM;
        EXPECT_EQ(connects ? ::listen(listener, 1) : 0, 0);
        EXPECT_EQ(::connect(ends[0], address, sizeof name), 0);
        EXPECT_GE(connects ? ::accept(listener, nullptr, nullptr) : 0, 0);
    }
    const std::vector<char> data(bytes);
    EXPECT_EQ(::send(ends[0], data.data(), data.size(), MSG_DONTWAIT), static_cast<ssize_t>(bytes));
    (void)::dup(ends[0]);
}

FENCE_TEST(ReadsWhatSocketsHold, "bh_held_sockets") {
    constexpr std::size_t kBytes = 20'000;
    BareEnvironment mine("mine");
    const auto with = [&](int family, int type) {
        const Actor talking(&mine, [=] { fill(family, type, kBytes); });
        return held_by(mine);
    };
    const loader::Held tcp = with(AF_INET, SOCK_STREAM);
    EXPECT_GE(tcp.tcp_received_bytes, kBytes);
    EXPECT_EQ(tcp.other_received_bytes, 0U);
    const loader::Held udp = with(AF_INET, SOCK_DGRAM);
    EXPECT_GE(udp.other_received_bytes, kBytes);
    EXPECT_EQ(udp.tcp_received_bytes, 0U);
    const loader::Held local = with(AF_UNIX, SOCK_DGRAM);
    EXPECT_GE(local.other_sent_bytes, kBytes) << "the sender has it until it is read";
    EXPECT_LT(local.other_sent_bytes, 4 * kBytes) << "a socket that has two descriptors is one";
    EXPECT_EQ(local.tcp_sent_bytes, 0U);
}

}  // namespace
}  // namespace bulkhead::tests
