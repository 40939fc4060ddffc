// [network] of a learned policy: addresses and ports as they were used, joined to prefixes and
// ranges where there are more of them than a person reads or a row of the kernel holds.
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "runtime/policy/generalise.h"

namespace bulkhead::policy {
namespace {

constexpr std::size_t kMostLines = 32;
// Of one protocol at one address; a route has room for BH_MAX_ROUTE_PORTS rules of all protocols.
constexpr std::size_t kMostPorts = 3;
constexpr std::size_t kMostServed = 8;  // of one protocol, of BH_MAX_LISTEN entries
constexpr std::uint32_t kMappedBits = 96;

bool has_ports(std::uint8_t protocol) {
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
           protocol == IPPROTO_UDPLITE;
}

// Others a policy cannot name.
std::uint8_t named_protocol(std::uint8_t protocol) {
    return has_ports(protocol) || protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6 ? protocol
                                                                                         : 0;
}

Prefix shortened(Prefix prefix, std::uint32_t bits) {
    prefix.bits = std::min(prefix.bits, bits);
    for (std::uint32_t bit = prefix.bits; bit < 128; ++bit)
        prefix.address[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
    return prefix;
}

// How much of an address counts.
struct Grain {
    std::uint32_t ipv4;
    std::uint32_t ipv6;
};
constexpr std::array kGrains = {Grain{32, 128}, Grain{24, 64}, Grain{16, 48}, Grain{8, 32},
                                Grain{0, 0}};

struct Reached {
    std::set<std::uint16_t> ports;
    std::set<Prefix> addresses;
};
// By prefix and protocol.
using Groups = std::map<std::pair<Prefix, std::uint8_t>, Reached>;

Groups group(const std::vector<SeenAddress>& addresses, const Grain& grain) {
    Groups groups;
    for (const SeenAddress& seen : addresses) {
        const std::uint32_t bits = seen.address.is_ipv4() ? kMappedBits + grain.ipv4 : grain.ipv6;
        Reached& reached = groups[{shortened(seen.address, bits), named_protocol(seen.protocol)}];
        reached.addresses.insert(seen.address);
        if (has_ports(seen.protocol))
            reached.ports.insert(seen.port);
    }
    return groups;
}

// An IPv6 address in brackets, as ports may follow it.
std::string target_text(const Prefix& prefix, const Ports& ports) {
    std::string text = to_text(prefix);
    const std::string suffix = ports_suffix(ports);
    if (prefix.is_ipv4() || !suffix.starts_with(':'))
        return text + suffix;
    const std::size_t slash = std::min(text.find('/'), text.size());
    return "[" + text.substr(0, slash) + "]" + text.substr(slash) + suffix;
}

std::string count_text(std::size_t count, const char* many) {
    return count > 1 ? std::to_string(count) + " " + many : "";
}

std::string joined(const std::string& one, const std::string& other) {
    return one.empty() || other.empty() ? one + other : one + ", " + other;
}

std::vector<LearnedEntry> entries_of(const Groups& groups) {
    std::vector<LearnedEntry> entries;
    std::set<Prefix> of_any_protocol;
    for (const auto& [key, reached] : groups) {
        if (key.second == 0)
            of_any_protocol.insert(key.first);
    }
    for (const auto& [key, reached] : groups) {
        const auto& [prefix, protocol] = key;
        const std::string addresses = count_text(reached.addresses.size(), "addresses");
        if (protocol == 0)
            entries.push_back({target_text(prefix, {}), addresses});
        else if (of_any_protocol.contains(prefix))
            continue;
        else if (reached.ports.empty() || reached.ports.size() > kMostPorts)
            entries.push_back({target_text(prefix, {0, 65535, protocol}),
                               joined(addresses, count_text(reached.ports.size(), "ports"))});
        else
            for (const std::uint16_t port : reached.ports)
                entries.push_back({target_text(prefix, {port, port, protocol}), addresses});
    }
    return entries;
}

std::vector<LearnedEntry> reach(const Observations& seen) {
    std::vector<LearnedEntry> entries;
    for (const Grain& grain : kGrains) {
        entries = entries_of(group(seen.addresses, grain));
        if (entries.size() <= kMostLines)
            break;
    }
    return entries;
}

std::vector<LearnedEntry> serve(const Observations& seen) {
    std::map<std::uint8_t, std::set<std::uint16_t>> served;
    for (const SeenPort& one : seen.ports)
        served[has_ports(one.protocol) ? one.protocol : 0].insert(one.port);
    std::vector<LearnedEntry> entries;
    for (const auto& [protocol, ports] : served) {
        if (ports.size() > kMostServed || served.size() * ports.size() > BH_MAX_LISTEN)
            entries.push_back({listen_text({*ports.begin(), *ports.rbegin(), protocol}),
                               count_text(ports.size(), "ports")});
        else
            for (const std::uint16_t port : ports)
                entries.push_back({listen_text({port, port, protocol}), ""});
    }
    return entries;
}

}  // namespace

LearnedNetwork generalise_network(const Observations& seen) {
    LearnedNetwork network;
    if (!seen.nameless.contains(BH_CLASS_EGRESS))
        network.allow = reach(seen);
    // A port that the kernel chooses is in no list.
    if (std::none_of(seen.ports.begin(), seen.ports.end(),
                     [](const SeenPort& one) { return one.port == 0; }))
        network.listen = serve(seen);
    return network;
}

}  // namespace bulkhead::policy
