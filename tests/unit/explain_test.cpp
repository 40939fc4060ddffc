#include "runtime/explain.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace bulkhead::runtime {
namespace {

bh_refusal refusal_of_path(std::initializer_list<const char*> leaf_first) {
    bh_refusal refusal{};
    refusal.object_kind = BH_OBJECT_FILE;
    int part = 0;
    for (const char* name : leaf_first)
        std::strncpy(refusal.text[part++], name, BH_TEXT_BYTES - 1);
    return refusal;
}

TEST(Explain, PathsReadFromTheRoot) {
    EXPECT_EQ(refused_path(refusal_of_path({"shadow", "etc", "/"})), "/etc/shadow");
    EXPECT_EQ(refused_path(refusal_of_path({"/"})), "/");
}

TEST(Explain, APathThatWasCutSaysSo) {
    EXPECT_EQ(refused_path(refusal_of_path({"h", "g", "f", "e", "d", "c", "b", "a"})),
              "…/a/b/c/d/e/f/g/h");
}

TEST(Explain, ATaskNamesItsOwner) {
    bh_refusal refusal{};
    refusal.object_kind = BH_OBJECT_TASK;
    refusal.object[0] = 812;
    std::strcpy(refusal.text[0], "sshd");
    EXPECT_EQ(describe_object(refusal), "pid 812 (sshd) of the host");
    refusal.object[2] = 3;
    refusal.object[3] = 9;
    EXPECT_EQ(describe_object(refusal), "pid 812 (sshd) of environment 3.9");
}

bh_refusal refusal_of_address(const char* address, __u64 port) {
    bh_refusal refusal{};
    refusal.object_kind = BH_OBJECT_SOCKET;
    refusal.class_id = BH_CLASS_EGRESS;
    refusal.object[0] = AF_INET6;
    refusal.object[2] = IPPROTO_UDP;
    refusal.object[3] = port;
    EXPECT_EQ(::inet_pton(AF_INET6, address, refusal.text[0]), 1);
    return refusal;
}

TEST(Explain, AddressesReadAsPeopleWriteThem) {
    EXPECT_EQ(describe_object(refusal_of_address("2001:db8::1", 53)), "udp [2001:db8::1]:53");
    EXPECT_EQ(describe_object(refusal_of_address("::ffff:10.0.0.1", 443)), "udp 10.0.0.1:443");
}

TEST(Explain, AnEnvironmentThatIsReachedHasItsNameBeforeTheAddress) {
    bh_refusal refusal = refusal_of_address("::ffff:127.0.0.1", 5432);
    EXPECT_EQ(reached_environment(refusal), "");
    std::strcpy(refusal.text[0] + offsetof(bh_reached_text, name), "db");
    EXPECT_EQ(reached_environment(refusal), "db");
    EXPECT_EQ(describe_object(refusal), "udp environment db (127.0.0.1:5432)");
}

TEST(Explain, AServedPortNeedsNoAddress) {
    bh_refusal refusal = refusal_of_address("::", 8080);
    refusal.class_id = BH_CLASS_LISTEN;
    EXPECT_EQ(describe_object(refusal), "udp port 8080");
}

TEST(Explain, WhatVanishedHasNoErrno) {
    EXPECT_EQ(error_name(bh_refusal{}), "dropped");
}

TEST(Explain, ErrorsHaveTheirNames) {
    bh_refusal refusal{};
    refusal.error = -EPERM;
    EXPECT_EQ(error_name(refusal), "EPERM");
}

}  // namespace
}  // namespace bulkhead::runtime
