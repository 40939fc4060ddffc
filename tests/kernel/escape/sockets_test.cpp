// Sockets that see or make the host's traffic, or reach code that few have looked at.
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "sockets";
constexpr const char* kRawLock = "network and user namespace; CAP_NET_RAW is dropped";
constexpr const char* kNetLock = "network and user namespace";

// `error`: as its caller sees it.
void expect_no_socket(const Technique& technique, int family, int type, int protocol,
                      int error = EPERM) {
    expect_stopped(technique, {.act = [=] { return opened(::socket(family, type, protocol)); },
                               .error = error,
                               .object = "socket family " + std::to_string(family)});
}

ESCAPE(RawSocket, kGroup, "raw sockets", kRawLock,
       {{BH_HOOK_socket_create, BH_CLASS_RAW_SOCKETS}}) {
    expect_no_socket(technique, AF_INET, SOCK_RAW, IPPROTO_RAW);
    expect_no_socket(technique, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

ESCAPE(PacketSocket, kGroup, "packet sockets", kRawLock,
       {{BH_HOOK_socket_create, BH_CLASS_RAW_SOCKETS}}) {
    expect_no_socket(technique, AF_PACKET, SOCK_RAW, 0);
    // The old form has the family of IP.
    const Attack old{.act = [] { return opened(::socket(AF_INET, SOCK_PACKET, 0)); },
                     .object = "socket family 17"};
    expect_stopped(technique, old);
}

ESCAPE(Netlink, kGroup, "netlink beyond routes: netfilter, audit, IPsec, generic", kNetLock,
       {{BH_HOOK_socket_create, BH_CLASS_FAMILIES}}) {
    for (const int protocol : {NETLINK_NETFILTER, NETLINK_AUDIT, NETLINK_XFRM, NETLINK_GENERIC}) {
        const UniqueFd known(::socket(AF_NETLINK, SOCK_RAW, protocol));
        if (known)
            expect_no_socket(technique, AF_NETLINK, SOCK_RAW, protocol, EPROTONOSUPPORT);
    }
}

ESCAPE(ExoticFamilies, kGroup, "families with a record of bugs: AF_ALG, AF_VSOCK, AF_KEY", "none",
       {{BH_HOOK_socket_create, BH_CLASS_FAMILIES}}) {
    expect_no_socket(technique, AF_ALG, SOCK_SEQPACKET, 0);
    expect_no_socket(technique, AF_VSOCK, SOCK_STREAM, 0);
    expect_no_socket(technique, AF_KEY, SOCK_RAW, 2);
}

}  // namespace
}  // namespace bulkhead::tests
