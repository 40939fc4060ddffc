// The tree of rows that programs look addresses up in, asked as they ask it.
#include "loader/route_rows.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "bpf/decide_network.h"

namespace bulkhead::loader {
namespace {

RouteRow route(const std::string& address, __u32 bits, std::initializer_list<bh_port_rule> ports) {
    RouteRow row;
    EXPECT_EQ(::inet_pton(AF_INET6, address.c_str(), row.address), 1) << address;
    row.prefix_bits = bits;
    std::copy(ports.begin(), ports.end(), row.route.ports);
    return row;
}

bh_port_rule allow(__u16 rule) {
    return {0, 65535, 0, BH_VERDICT_ALLOW, rule};
}

bh_endpoint endpoint(const __u8* address) {
    bh_endpoint end{};
    std::memcpy(end.address, address, sizeof end.address);
    end.protocol = BH_IPPROTO_TCP;
    end.port = 443;
    return end;
}

// As bpf/egress.bpf.h does.
int look_up(const std::vector<bh_route_row>& rows, bh_endpoint& end) {
    const bh_address address = bh_address_of(end.address);
    std::size_t number = 0;
    for (int level = 0; level < BH_ROUTE_LEVELS && number < rows.size(); ++level) {
        const bh_route_row& row = rows[number];
        const __u32 at = bh_route_at(&row, &address);
        if (row.beneath == 0)
            return bh_route_verdict(&row, at, &end);
        number = row.beneath + at;
    }
    ADD_FAILURE() << "the tree leads nowhere";
    return BH_VERDICT_REFUSE;
}

__u32 rule_of(const std::vector<bh_route_row>& rows, const std::string& address) {
    __u8 bytes[16];
    EXPECT_EQ(::inet_pton(AF_INET6, address.c_str(), bytes), 1) << address;
    bh_endpoint end = endpoint(bytes);
    return look_up(rows, end) == BH_VERDICT_ALLOW ? end.rule : 0;
}

bool covers(const RouteRow& row, const __u8* address) {
    for (__u32 bit = 0; bit < row.prefix_bits; ++bit) {
        const __u8 mask = static_cast<__u8>(0x80U >> bit % 8);
        if ((row.address[bit / 8] & mask) != (address[bit / 8] & mask))
            return false;
    }
    return true;
}

TEST(RouteRows, TheLongestPrefixHolds) {
    const auto rows =
        rows_of({route("::", 0, {allow(1)}), route("fd00::", 8, {allow(2)}),
                 route("fd00:1::", 32, {allow(3)}), route("fd00:1::7", 128, {allow(4)})});
    EXPECT_EQ(rule_of(rows, "::"), 1U);
    EXPECT_EQ(rule_of(rows, "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1U);
    EXPECT_EQ(rule_of(rows, "fd00::"), 2U);
    EXPECT_EQ(rule_of(rows, "fd00:1::6"), 3U);
    EXPECT_EQ(rule_of(rows, "fd00:1::7"), 4U);
    EXPECT_EQ(rule_of(rows, "fd00:1::8"), 3U);
    EXPECT_EQ(rule_of(rows, "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff"), 3U);
    EXPECT_EQ(rule_of(rows, "fd00:2::"), 2U);
    EXPECT_EQ(rule_of(rows, "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2U);
    EXPECT_EQ(rule_of(rows, "fe00::"), 1U);
    EXPECT_EQ(rule_of(rows, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 1U);
}

TEST(RouteRows, WhatNoPrefixCoversIsRefused) {
    const auto rows = rows_of({route("fd00::", 64, {allow(1)}), route("ffff::", 16, {allow(2)})});
    for (const char* address : {"::", "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:0:0:1::"})
        EXPECT_EQ(rule_of(rows, address), 0U) << address;
    EXPECT_EQ(rule_of(rows, "fd00::ffff:ffff:ffff:ffff"), 1U);
    EXPECT_EQ(rule_of(rows, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 2U);
}

TEST(RouteRows, OfAPrefixTheFirstEntryThatFitsDecides) {
    const auto rows = rows_of({route("::", 0,
                                     {{80, 80, 0, BH_VERDICT_ALLOW, 1},
                                      {443, 443, BH_IPPROTO_UDP, BH_VERDICT_ALLOW, 2},
                                      {443, 443, BH_IPPROTO_TCP, BH_VERDICT_DROP, 3},
                                      {0, 65535, 0, BH_VERDICT_ALLOW, 4}})});
    const __u8 anywhere[16] = {};
    bh_endpoint end = endpoint(anywhere);
    EXPECT_EQ(look_up(rows, end), BH_VERDICT_DROP);
    EXPECT_EQ(end.rule, 3U);
    end.port = 80;
    EXPECT_EQ(look_up(rows, end), BH_VERDICT_ALLOW);
    EXPECT_EQ(end.rule, 1U);
    end.port = 81;
    EXPECT_EQ(look_up(rows, end), BH_VERDICT_ALLOW);
    EXPECT_EQ(end.rule, 4U);
}

TEST(RouteRows, TellHowManyTheyAre) {
    std::vector<RouteRow> routes = {route("::", 0, {allow(1)})};
    EXPECT_EQ(rows_of(routes).front().rows, 1U);
    for (__u16 i = 0; i < 5000; ++i) {
        routes.push_back(routes.front());
        routes.back().prefix_bits = 32;
        routes.back().address[1] = static_cast<__u8>(i / 256);
        routes.back().address[3] = static_cast<__u8>(i % 256);
    }
    const auto rows = rows_of(routes);
    EXPECT_EQ(rows.front().rows, rows.size());
    EXPECT_LT(rows.size(), 5000U / 30) << "most are filled";
}

// Some bits only, so that prefixes lie in each other and end where others begin.
RouteRow random_route(std::mt19937& random, __u16 rule) {
    RouteRow row;
    row.prefix_bits = static_cast<__u32>(random() % 129);
    for (__u8& byte : row.address)
        byte = random() % 3 == 0   ? 0xff
               : random() % 2 == 0 ? 0
                                   : static_cast<__u8>(random() & 0x81);
    for (__u32 bit = row.prefix_bits; bit < 128; ++bit)
        row.address[bit / 8] &= static_cast<__u8>(~(0x80U >> bit % 8));
    const std::size_t entries = 1 + random() % BH_MAX_ROUTE_PORTS;
    for (std::size_t i = 0; i + 1 < entries; ++i)
        row.route.ports[i] = {80, 80, 0, BH_VERDICT_DROP, rule};
    row.route.ports[entries - 1] = allow(rule);
    return row;
}

std::vector<RouteRow> random_routes(std::mt19937& random, int count) {
    std::vector<RouteRow> routes;
    for (int i = 1; i <= count; ++i) {
        const RouteRow row = random_route(random, static_cast<__u16>(i));
        const bool is_there = std::any_of(routes.begin(), routes.end(), [&](const RouteRow& one) {
            return one.prefix_bits == row.prefix_bits &&
                   std::memcmp(one.address, row.address, sizeof row.address) == 0;
        });
        if (!is_there)
            routes.push_back(row);
    }
    return routes;
}

__u32 rule_of_longest(const std::vector<RouteRow>& routes, const __u8* address) {
    const RouteRow* longest = nullptr;
    for (const RouteRow& row : routes)
        if (covers(row, address) && (longest == nullptr || row.prefix_bits > longest->prefix_bits))
            longest = &row;
    return longest == nullptr ? 0 : longest->route.ports[0].rule;
}

TEST(RouteRows, SayWhatATableOfPrefixesSays) {
    std::mt19937 random(7);
    for (const int count : {0, 1, 2, 40, 300, 2000}) {
        const auto routes = random_routes(random, count);
        const auto rows = rows_of(routes);
        for (int i = 0; i < 3000; ++i) {
            RouteRow sought = random_route(random, 1);
            if (i % 2 == 0 && !routes.empty())  // at the edges of what there is
                sought = routes[random() % routes.size()];
            for (__u32 bit = sought.prefix_bits; i % 4 == 0 && bit < 128; ++bit)
                sought.address[bit / 8] |= static_cast<__u8>(0x80U >> bit % 8);
            bh_endpoint end = endpoint(sought.address);
            const int verdict = look_up(rows, end);
            const __u32 wanted = rule_of_longest(routes, sought.address);
            ASSERT_EQ(verdict, wanted == 0 ? BH_VERDICT_REFUSE : BH_VERDICT_ALLOW);
            ASSERT_EQ(end.rule, wanted);
        }
    }
}

}  // namespace
}  // namespace bulkhead::loader
