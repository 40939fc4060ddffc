// What the entries of a route say, as the programs compile it.
#include "bpf/decide_network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace bulkhead {
namespace {

bh_endpoint endpoint(__u8 protocol, __u16 port) {
    bh_endpoint end{};
    end.protocol = protocol;
    end.port = port;
    return end;
}

std::string unspecified_as(const char* address) {
    __u8 bytes[16];
    EXPECT_EQ(::inet_pton(AF_INET6, address, bytes), 1);
    bh_map_unspecified(bytes);
    char text[INET6_ADDRSTRLEN];
    return ::inet_ntop(AF_INET6, bytes, text, sizeof text);
}

TEST(Routes, MappedAddressesAreOfIpv4) {
    const auto family_of = [](const char* address) {
        __u8 bytes[16];
        EXPECT_EQ(::inet_pton(AF_INET6, address, bytes), 1);
        return bh_family_of_address(bytes);
    };
    for (const char* address : {"::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:255.255.255.255"})
        EXPECT_EQ(family_of(address), BH_FAMILY_IPV4) << address;
    for (const char* address : {"::", "::1", "fd00::1", "::fffe:127.0.0.1", "::1:ffff:7f00:1",
                                "::ffff:7f00:1:0", "1::ffff:127.0.0.1"})
        EXPECT_EQ(family_of(address), BH_FAMILY_IPV6) << address;
}

TEST(Routes, TheFirstEntryThatFitsDecides) {
    const bh_port_rule entries[] = {{443, 443, IPPROTO_TCP, BH_VERDICT_DROP, 7},
                                    {1, 1024, IPPROTO_TCP, BH_VERDICT_ALLOW, 8}};
    bh_endpoint https = endpoint(IPPROTO_TCP, 443);
    EXPECT_EQ(bh_port_verdict(entries, 2, &https), BH_VERDICT_DROP);
    EXPECT_EQ(https.rule, 7U);
    bh_endpoint last = endpoint(IPPROTO_TCP, 1024);
    EXPECT_EQ(bh_port_verdict(entries, 2, &last), BH_VERDICT_ALLOW);
    EXPECT_EQ(last.rule, 8U);
}

TEST(Routes, WhatNoEntryFitsIsRefused) {
    const bh_port_rule entries[] = {{1, 1024, IPPROTO_TCP, BH_VERDICT_ALLOW, 8}};
    bh_endpoint beyond = endpoint(IPPROTO_TCP, 1025);
    bh_endpoint other = endpoint(IPPROTO_UDP, 80);
    bh_endpoint no_port = endpoint(IPPROTO_TCP, 0);
    EXPECT_EQ(bh_port_verdict(entries, 1, &beyond), BH_VERDICT_REFUSE);
    EXPECT_EQ(bh_port_verdict(entries, 1, &other), BH_VERDICT_REFUSE);
    EXPECT_EQ(bh_port_verdict(entries, 1, &no_port), BH_VERDICT_REFUSE);
    EXPECT_EQ(bh_port_verdict(entries, 0, &beyond), BH_VERDICT_REFUSE);
}

TEST(Routes, AnUnusedPlaceEndsTheList) {
    const bh_port_rule entries[] = {{0, 0, 0, BH_VERDICT_NONE, 0},
                                    {0, 65535, 0, BH_VERDICT_ALLOW, 1}};
    bh_endpoint any = endpoint(IPPROTO_TCP, 80);
    EXPECT_EQ(bh_port_verdict(entries, 2, &any), BH_VERDICT_REFUSE);
}

TEST(Routes, MultipathIsTcp) {
    EXPECT_EQ(bh_rule_protocol(262), IPPROTO_TCP);
    EXPECT_EQ(bh_rule_protocol(IPPROTO_UDP), IPPROTO_UDP);
}

TEST(Routes, TheUnspecifiedAddressIsTheLoopback) {
    EXPECT_EQ(unspecified_as("::"), "::1");
    EXPECT_EQ(unspecified_as("::ffff:0.0.0.0"), "::ffff:127.0.0.1");
    EXPECT_EQ(unspecified_as("::ffff:0.0.0.1"), "::ffff:0.0.0.1");
    EXPECT_EQ(unspecified_as("fd00::"), "fd00::");
}

TEST(Routes, IPv4IsMapped) {
    __u8 address[16];
    __u32 v4 = 0;
    ASSERT_EQ(::inet_pton(AF_INET, "10.1.2.3", &v4), 1);
    std::memset(address, 0x55, sizeof address);
    bh_map_v4(address, v4);
    char text[INET6_ADDRSTRLEN];
    EXPECT_STREQ(::inet_ntop(AF_INET6, address, text, sizeof text), "::ffff:10.1.2.3");
}

TEST(Listen, ACountBeyondTheListReadsNothingBeyondIt) {
    bh_policy policy{};
    policy.listen_count = 4000;
    bh_endpoint own = endpoint(IPPROTO_TCP, 80);
    EXPECT_EQ(bh_listen_verdict(&policy, &own), BH_VERDICT_REFUSE);
    policy.listen[0] = {80, 80, 0, BH_VERDICT_ALLOW, 2};
    EXPECT_EQ(bh_listen_verdict(&policy, &own), BH_VERDICT_ALLOW);
}

}  // namespace
}  // namespace bulkhead
