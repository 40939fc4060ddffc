// Addresses, ports and protocols as a policy writes them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace bulkhead::policy {

// The first `bits` of an address; IPv4 as v4-mapped IPv6.
struct Prefix {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t bits = 0;

    bool operator==(const Prefix&) const = default;
    // By address, then the shorter first: what covers another comes before it.
    bool operator<(const Prefix& other) const {
        return std::tie(address, bits) < std::tie(other.address, other.bits);
    }
    [[nodiscard]] bool is_ipv4() const;
    [[nodiscard]] bool covers(const Prefix& other) const;
};

// Both inclusive. protocol: IPPROTO_…, 0 for any.
struct Ports {
    std::uint16_t first = 0;
    std::uint16_t last = 65535;
    std::uint8_t protocol = 0;

    bool operator==(const Ports&) const = default;
    bool operator<(const Ports& other) const {
        return std::tie(first, last, protocol) < std::tie(other.first, other.last, other.protocol);
    }
    [[nodiscard]] bool covers(const Ports& other) const;
    [[nodiscard]] bool overlaps(const Ports& other) const;
};

struct Target {
    Prefix prefix;
    Ports ports;
    std::string environment;  // its name, in the place of an address; "": it is an address
};

// Either a value or what is wrong with the text, for people.
template <typename Value>
struct Parsed {
    std::optional<Value> value;
    std::string wrong;
};

// ADDRESS[/PREFIX][:PORTS][/PROTOCOL], an IPv6 address in brackets where ports follow:
// "10.0.0.0/8:443/tcp", "[2001:db8::]/32:80-90", "::1", "1.1.1.1/udp". Or
// environment:NAME[:PORTS][/PROTOCOL]: "environment:db:5432/tcp".
Parsed<Target> parse_target(std::string_view text);
// [PROTOCOL/]PORTS: "tcp/80", "udp/5000-5010", "80".
Parsed<Ports> parse_listen(std::string_view text);

// As a target without ports: "environment:db".
std::string environment_text(std::string_view name);
std::string to_text(const Prefix& prefix);
// As a target's end: ":443/tcp", "/udp", "".
std::string ports_suffix(const Ports& ports);
// As a listen entry: "tcp/80", "1-1023", "any port".
std::string listen_text(const Ports& ports);

}  // namespace bulkhead::policy
