#include "runtime/policy/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "runtime/environment_name.h"
#include "runtime/policy/mistakes.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::uint32_t kMappedBits = 96;
constexpr std::string_view kEnvironment = "environment";

struct Protocol {
    std::string_view name;
    std::uint8_t number;
    bool has_ports;
};

constexpr std::array kProtocols = {
    Protocol{"tcp", IPPROTO_TCP, true},    Protocol{"udp", IPPROTO_UDP, true},
    Protocol{"sctp", IPPROTO_SCTP, true},  Protocol{"udplite", IPPROTO_UDPLITE, true},
    Protocol{"icmp", IPPROTO_ICMP, false}, Protocol{"icmpv6", IPPROTO_ICMPV6, false},
};

const Protocol* find_protocol(std::string_view name) {
    const auto* found = std::find_if(kProtocols.begin(), kProtocols.end(),
                                     [&](const Protocol& one) { return one.name == name; });
    return found == kProtocols.end() ? nullptr : found;
}

std::string no_protocol(std::string_view name) {
    std::vector<std::string_view> names;
    std::string list;
    for (const Protocol& one : kProtocols) {
        names.push_back(one.name);
        list += (list.empty() ? "" : ", ") + std::string(one.name);
    }
    return "no protocol is named \"" + std::string(name) + "\", only " + list +
           did_you_mean(name, names);
}

template <typename Number>
std::optional<Number> number(std::string_view text, Number most) {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value > most)
        return std::nullopt;
    return value;
}

// "443", "80-90".
std::string parse_ports(std::string_view text, Ports& ports) {
    const std::size_t dash = text.find('-');
    const auto first = number<std::uint16_t>(text.substr(0, dash), 65535);
    const auto last = dash == std::string_view::npos
                          ? first
                          : number<std::uint16_t>(text.substr(dash + 1), 65535);
    if (!first || !last)
        return "\"" + std::string(text) + "\" is no port and no range of ports: 443, 8000-8080";
    if (*first > *last)
        return "the range of ports " + std::string(text) + " goes backwards";
    ports.first = *first;
    ports.last = *last;
    return "";
}

bool parse_ip(std::string_view text, Prefix& prefix) {
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.size() >= copy.size())
        return false;
    std::copy(text.begin(), text.end(), copy.begin());
    std::array<std::uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET, copy.data(), bytes.data()) == 1) {
        std::copy(kMapped.begin(), kMapped.end(), prefix.address.begin());
        std::copy_n(bytes.begin(), 4, prefix.address.begin() + kMapped.size());
        prefix.bits = 128;
        return true;
    }
    if (::inet_pton(AF_INET6, copy.data(), prefix.address.data()) != 1)
        return false;
    prefix.bits = 128;
    return true;
}

// Of the byte that the prefix ends in.
std::uint8_t mask_of(std::uint32_t bits) {
    return static_cast<std::uint8_t>(0xff00U >> bits % 8);
}

void keep_bits(Prefix& prefix) {
    if (prefix.bits >= 128)
        return;
    const std::uint32_t last = prefix.bits / 8;
    prefix.address.at(last) &= mask_of(prefix.bits);
    std::fill(prefix.address.begin() + last + 1, prefix.address.end(), std::uint8_t{0});
}

// The parts of a target; views into its text.
struct Parts {
    std::string_view address, bits, ports, protocol;
    bool has_bits = false, has_ports = false;
};

std::string_view take_until(std::string_view& rest, std::string_view marks) {
    const auto is_mark = [&](char letter) {
        return std::find(marks.begin(), marks.end(), letter) != marks.end();
    };
    const auto end =
        static_cast<std::size_t>(std::find_if(rest.begin(), rest.end(), is_mark) - rest.begin());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(end);
    return part;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What follows an address or a name.
std::string split_end(std::string_view rest, Parts& parts) {
    if (rest.starts_with(':')) {
        rest.remove_prefix(1);
        parts.ports = take_until(rest, "/");
        parts.has_ports = true;
    }
    if (rest.starts_with('/')) {
        parts.protocol = rest.substr(1);
        rest = {};
        if (parts.protocol.empty())
            return "a protocol is missing after the last /";
    }
    return rest.empty() ? "" : "\"" + std::string(rest) + "\" is too much";
}

// A slash is a prefix's where a number follows the address, else a protocol's.
std::string split(std::string_view text, Parts& parts) {
    std::string_view rest = text;
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos)
            return "the ] of the address is missing";
        parts.address = rest.substr(1, end - 1);
        rest.remove_prefix(end + 1);
    } else if (std::count(text.begin(), text.end(), ':') > 1) {
        parts.address = take_until(rest, "/");
    } else {
        parts.address = take_until(rest, "/:");
    }
    if (rest.starts_with('/')) {
        std::string_view ahead = rest.substr(1);
        const std::string_view word = take_until(ahead, "/:");
        if (is_number(word)) {
            parts.bits = word;
            parts.has_bits = true;
            rest = ahead;
        }
    }
    return split_end(rest, parts);
}

std::string no_address(std::string_view text) {
    const std::string what = "\"" + std::string(text) + "\" is no address";
    if (std::count(text.begin(), text.end(), ':') > 7)
        return what + ": an IPv6 address stands in brackets where ports follow";
    const std::array known = {kEnvironment};
    if (const std::string meant = did_you_mean(text, known); !meant.empty())
        return what + meant;
    return what + ": write an IPv4 or IPv6 address" +
           (runtime::is_environment_name(text)
                ? ", or \"" + environment_text(text) + "\" for an environment"
                : "") +
           "; names of hosts are not looked up";
}

std::string parse_prefix(const Parts& parts, Prefix& prefix) {
    if (!parse_ip(parts.address, prefix))
        return no_address(parts.address);
    if (!parts.has_bits)
        return "";
    const bool ipv4 = parts.address.find(':') == std::string_view::npos;
    const auto bits = number<std::uint32_t>(parts.bits, ipv4 ? 32 : 128);
    if (!bits)
        return "a prefix has at most " + std::string(ipv4 ? "32" : "128") + " bits";
    const Prefix whole = prefix;
    prefix.bits = *bits + (ipv4 ? kMappedBits : 0);
    keep_bits(prefix);
    if (prefix.address != whole.address)
        return std::string(parts.address) + "/" + std::string(parts.bits) +
               " has bits behind its prefix; did you mean \"" + to_text(prefix) + "\"?";
    return "";
}

}  // namespace

bool Prefix::is_ipv4() const {
    return bits >= kMappedBits && std::equal(kMapped.begin(), kMapped.end(), address.begin());
}

bool Prefix::covers(const Prefix& other) const {
    if (other.bits < bits)
        return false;
    const std::uint32_t whole = bits / 8;
    return std::equal(address.begin(), address.begin() + whole, other.address.begin()) &&
           (whole == address.size() ||
            (other.address.at(whole) & mask_of(bits)) == address.at(whole));
}

bool Ports::covers(const Ports& other) const {
    return first <= other.first && other.last <= last &&
           (protocol == 0 || protocol == other.protocol);
}

bool Ports::overlaps(const Ports& other) const {
    return first <= other.last && other.first <= last &&
           (protocol == 0 || other.protocol == 0 || protocol == other.protocol);
}

namespace {

std::string parse_end(const Parts& parts, Ports& ports) {
    if (parts.has_ports) {
        if (std::string wrong = parse_ports(parts.ports, ports); !wrong.empty())
            return wrong;
    }
    if (parts.protocol.empty())
        return "";
    const Protocol* protocol = find_protocol(parts.protocol);
    if (protocol == nullptr)
        return no_protocol(parts.protocol);
    if (parts.has_ports && !protocol->has_ports)
        return std::string(protocol->name) + " has no ports";
    ports.protocol = protocol->number;
    return "";
}

// `text` follows the word and its colon.
std::string parse_named(std::string_view text, Target& target) {
    const std::string_view name = take_until(text, "/:");
    if (!runtime::is_environment_name(name))
        return wrong_name(name);
    Parts parts;
    std::string wrong = split_end(text, parts);
    if (wrong.empty())
        wrong = parse_end(parts, target.ports);
    if (!wrong.empty())
        return wrong;
    if (target.ports.protocol != 0 && target.ports.protocol != IPPROTO_TCP &&
        target.ports.protocol != IPPROTO_UDP)
        return "an environment is found by tcp and udp only, not by " + std::string(parts.protocol);
    target.environment = name;
    return "";
}

std::string parse_address(std::string_view text, Target& target) {
    Parts parts;
    std::string wrong = split(text, parts);
    if (wrong.empty())
        wrong = parse_prefix(parts, target.prefix);
    return wrong.empty() ? parse_end(parts, target.ports) : wrong;
}

bool is_named(std::string_view text) {
    return text.starts_with(kEnvironment) && text.substr(kEnvironment.size()).starts_with(':');
}

}  // namespace

Parsed<Target> parse_target(std::string_view text) {
    Target target;
    std::string wrong = is_named(text) ? parse_named(text.substr(kEnvironment.size() + 1), target)
                                       : parse_address(text, target);
    if (!wrong.empty())
        return {std::nullopt, std::move(wrong)};
    return {target, ""};
}

Parsed<Ports> parse_listen(std::string_view text) {
    Ports ports;
    const std::size_t slash = text.find('/');
    std::string_view range = text;
    if (slash != std::string_view::npos) {
        const std::string_view name = text.substr(0, slash);
        range = text.substr(slash + 1);
        const Protocol* protocol = find_protocol(name);
        if (protocol == nullptr && find_protocol(range) != nullptr)
            return {std::nullopt, "the protocol comes first; did you mean \"" + std::string(range) +
                                      "/" + std::string(name) + "\"?"};
        if (protocol == nullptr)
            return {std::nullopt, no_protocol(name)};
        if (!protocol->has_ports)
            return {std::nullopt, std::string(name) + " has no ports"};
        ports.protocol = protocol->number;
    }
    std::string wrong = parse_ports(range, ports);
    if (!wrong.empty())
        return {std::nullopt, std::move(wrong)};
    return {ports, ""};
}

std::string environment_text(std::string_view name) {
    return std::string(kEnvironment) + ":" + std::string(name);
}

std::string to_text(const Prefix& prefix) {
    char text[INET6_ADDRSTRLEN] = {};
    const bool ipv4 = prefix.is_ipv4();
    ::inet_ntop(ipv4 ? AF_INET : AF_INET6, prefix.address.data() + (ipv4 ? kMapped.size() : 0),
                text, sizeof text);
    if (prefix.bits == 128)
        return text;
    return std::string(text) + "/" + std::to_string(prefix.bits - (ipv4 ? kMappedBits : 0));
}

namespace {

std::string range_text(const Ports& ports) {
    if (ports.first == ports.last)
        return std::to_string(ports.first);
    return std::to_string(ports.first) + "-" + std::to_string(ports.last);
}

std::string protocol_text(std::uint8_t number) {
    for (const Protocol& one : kProtocols) {
        if (one.number == number)
            return std::string(one.name);
    }
    return std::to_string(number);
}

bool all_ports(const Ports& ports) {
    return ports.first == 0 && ports.last == 65535;
}

}  // namespace

std::string ports_suffix(const Ports& ports) {
    return (all_ports(ports) ? "" : ":" + range_text(ports)) +
           (ports.protocol == 0 ? "" : "/" + protocol_text(ports.protocol));
}

std::string listen_text(const Ports& ports) {
    const std::string range = all_ports(ports) ? "any port" : range_text(ports);
    return ports.protocol == 0 ? range : protocol_text(ports.protocol) + "/" + range;
}

}  // namespace bulkhead::policy
