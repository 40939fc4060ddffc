#include "bpf/decide_beancounters.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "bpf/wire.h"

namespace {

TEST(DecideBeancounters, ASocketIsChargedByFamilyTypeAndProtocol) {
    for (const int family : {AF_INET, AF_INET6})
        for (const int protocol : {0, int{IPPROTO_TCP}, int{IPPROTO_MPTCP}})
            EXPECT_EQ(bh_socket_counter(family, SOCK_STREAM, protocol), BH_BEANCOUNTER_NUMTCPSOCK);
    EXPECT_EQ(bh_socket_counter(AF_INET, SOCK_STREAM, IPPROTO_SCTP), BH_BEANCOUNTER_NUMOTHERSOCK);
    EXPECT_EQ(bh_socket_counter(AF_INET, SOCK_DGRAM, 0), BH_BEANCOUNTER_NUMOTHERSOCK);
    EXPECT_EQ(bh_socket_counter(AF_NETLINK, SOCK_RAW, 0), BH_BEANCOUNTER_NUMOTHERSOCK);
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET})
        EXPECT_EQ(bh_socket_counter(AF_UNIX, type, 0), BH_BEANCOUNTER_NUMUNIXSOCK);
}

TEST(DecideBeancounters, TheLimitItselfMayBeHeld) {
    EXPECT_TRUE(bh_has_room(9, 10));
    EXPECT_FALSE(bh_has_room(10, 10));
    EXPECT_FALSE(bh_has_room(20, 10)) << "the limit was lowered";
    EXPECT_FALSE(bh_has_room(0, 0));
    EXPECT_TRUE(bh_has_room(1ULL << 40, BH_UNLIMITED));
}

TEST(DecideBeancounters, WarnsOfTheObjectThatPassesTheBarrierOnceASecond) {
    EXPECT_FALSE(bh_warns(5, 5, 0, 100));
    EXPECT_TRUE(bh_warns(6, 5, 0, 100));
    EXPECT_FALSE(bh_warns(7, 5, 0, 100));
    EXPECT_FALSE(bh_warns(6, 5, 100, 100 + BH_WARN_AGAIN_NS - 1));
    EXPECT_TRUE(bh_warns(6, 5, 100, 100 + BH_WARN_AGAIN_NS));
    EXPECT_FALSE(bh_warns(0, BH_UNLIMITED, 0, 100)) << "no barrier";
}

TEST(DecideBeancounters, WarnsOfWhatPassedTheBarrierSinceTheLastLook) {
    EXPECT_FALSE(bh_warns_since(0, 5, 5, 0, 100));
    EXPECT_TRUE(bh_warns_since(5, 9, 5, 0, 100));
    EXPECT_FALSE(bh_warns_since(6, 9, 5, 0, 100)) << "it was past it before";
    EXPECT_FALSE(bh_warns_since(5, 9, 5, 100, 100 + BH_WARN_AGAIN_NS - 1));
    EXPECT_TRUE(bh_warns_since(5, 9, 5, 100, 100 + BH_WARN_AGAIN_NS));
    EXPECT_FALSE(bh_warns_since(0, 1ULL << 40, BH_UNLIMITED, 0, 100)) << "no barrier";
}

// No fork was looked at between those that ended and this one.
TEST(DecideBeancounters, ANewTaskWasNotThereBefore) {
    EXPECT_EQ(bh_tasks_before(9, 6), 5U);
    EXPECT_EQ(bh_tasks_before(6, 6), 5U);
    EXPECT_EQ(bh_tasks_before(3, 6), 3U) << "others came without a look";
    EXPECT_EQ(bh_tasks_before(0, 0), 0U);
}

}  // namespace
