#include "runtime/explain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "loader/beancounters.h"
#include "loader/refusals.h"
#include "runtime/budgets.h"
#include "runtime/format.h"

namespace bulkhead::runtime {
namespace {

std::string text_of(const bh_refusal& refusal) {
    const char* text = refusal.text[0];
    return std::string(text, ::strnlen(text, sizeof refusal.text));
}

std::string part(const bh_refusal& refusal, int index) {
    return std::string(refusal.text[index], ::strnlen(refusal.text[index], BH_TEXT_BYTES));
}

// The owner in object[2..3] of a task, Unix socket, IPC object or key.
std::string owner(const bh_refusal& refusal) {
    if (refusal.object[3] == 0)
        return "of the host";
    return formatted("of environment {}.{}", refusal.object[2], refusal.object[3]);
}

std::string describe_file(const bh_refusal& refusal) {
    const auto dev = static_cast<unsigned>(refusal.object[0]);
    return formatted("{} (device {}:{}, inode {})", refused_path(refusal), dev >> 20, dev & 0xfffff,
                     refusal.object[1]);
}

bool is_inet(const bh_refusal& refusal) {
    return refusal.object[0] == AF_INET || refusal.object[0] == AF_INET6;
}

// The address in the text and the port: 10.0.0.1:443, [fd00::1]:53.
std::string address_and_port(const bh_refusal& refusal) {
    in6_addr address{};
    std::memcpy(&address, refusal.text[0], sizeof address);
    char text[INET6_ADDRSTRLEN]{};
    if (!IN6_IS_ADDR_V4MAPPED(&address)) {
        ::inet_ntop(AF_INET6, &address, text, sizeof text);
        return formatted("[{}]:{}", text, refusal.object[3]);
    }
    ::inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    return formatted("{}:{}", text, refusal.object[3]);
}

std::string endpoint(const bh_refusal& refusal) {
    const std::string name = reached_environment(refusal);
    return name.empty() ? address_and_port(refusal)
                        : formatted("environment {} ({})", name, address_and_port(refusal));
}

std::string protocol(const bh_refusal& refusal) {
    switch (refusal.object[2]) {
        case IPPROTO_TCP:
            return "tcp";
        case IPPROTO_UDP:
            return "udp";
        case IPPROTO_ICMP:
        case IPPROTO_ICMPV6:
            return "icmp";
        default:
            return formatted("protocol {}", refusal.object[2]);
    }
}

bool is_reached_unix(const bh_refusal& refusal) {
    return refusal.hook == BH_HOOK_unix_stream_connect || refusal.hook == BH_HOOK_unix_may_send;
}

std::string describe_socket(const bh_refusal& refusal) {
    if (is_reached_unix(refusal))
        return formatted("socket family {}, type {} {} {}", refusal.object[0], refusal.object[1],
                         text_of(refusal), owner(refusal));
    if (refusal.class_id == BH_CLASS_LISTEN)
        return formatted("{} port {}", protocol(refusal), refusal.object[3]);
    if (refusal.class_id == BH_CLASS_EGRESS && is_inet(refusal))
        return protocol(refusal) + " " + endpoint(refusal);
    std::string text = formatted("socket family {}, type {}, protocol {}", refusal.object[0],
                                 refusal.object[1], refusal.object[2]);
    if (refusal.object[3] != 0)
        text += formatted(", port {}", refusal.object[3]);
    // The text of these is an address.
    if (const std::string name = text_of(refusal); !name.empty() && !is_inet(refusal))
        text += " " + name;
    return text;
}

std::string describe_number(const bh_refusal& refusal) {
    const std::string name = text_of(refusal);
    if (refusal.hook == BH_HOOK_capable)
        return formatted("capability {}", refusal.object[0]);
    return name.empty() ? formatted("{}", refusal.object[0])
                        : formatted("{} ({})", name, refusal.object[0]);
}

std::string describe_ioctl(const bh_refusal& refusal) {
    const auto dev = static_cast<unsigned>(refusal.object[0]);
    return formatted("ioctl {:#x} on {} ({} device {}:{})", refusal.object[1],
                     refused_path(refusal), S_ISBLK(refusal.object[2]) ? "block" : "character",
                     dev >> 20, dev & 0xfffff);
}

std::string bound(std::uint64_t value) {
    return value == BH_UNLIMITED ? "unlimited" : std::to_string(value);
}

std::string describe_beancounter(const bh_refusal& refusal) {
    return formatted("{}: held {}, barrier {}, limit {}",
                     loader::beancounter_name(static_cast<unsigned>(refusal.object[0])),
                     refusal.object[1], bound(refusal.object[2]), bound(refusal.object[3]));
}

std::string describe_budget(const bh_refusal& refusal) {
    const auto kind =
        static_cast<bh_budget_kind>(std::min<std::uint64_t>(refusal.object[0], BH_BUDGET_COUNT));
    return formatted("budget {}: used {} of {} in {}", loader::budget_name(kind),
                     amount_text(kind, shown_amount(kind, refusal.object[1])),
                     amount_text(kind, shown_amount(kind, refusal.object[2])),
                     period_text(refusal.object[3]));
}

}  // namespace

std::string reached_environment(const bh_refusal& refusal) {
    bh_reached_text text{};
    std::memcpy(&text, refusal.text, sizeof text);
    return std::string(text.name, ::strnlen(text.name, sizeof text.name));
}

std::string refused_path(const bh_refusal& refusal) {
    std::vector<std::string> parts;
    for (int i = 0; i < BH_TEXT_PARTS && !part(refusal, i).empty(); ++i)
        parts.push_back(part(refusal, i));
    const bool whole = !parts.empty() && parts.back() == "/";
    if (whole)
        parts.pop_back();
    std::string path = whole || parts.empty() ? "" : "…";
    for (auto component = parts.rbegin(); component != parts.rend(); ++component)
        path += "/" + *component;
    return path.empty() ? "/" : path;
}

std::string describe_object(const bh_refusal& refusal) {
    switch (refusal.object_kind) {
        case BH_OBJECT_TASK:
            return formatted("pid {} ({}) {}", refusal.object[0], text_of(refusal), owner(refusal));
        case BH_OBJECT_FILE:
            return describe_file(refusal);
        case BH_OBJECT_SOCKET:
            return describe_socket(refusal);
        case BH_OBJECT_IPC:
            return formatted("key {:#x}, id {} {}", refusal.object[0], refusal.object[1],
                             owner(refusal));
        case BH_OBJECT_KEY:
            return formatted("key {:#x} {} {}", refusal.object[0], text_of(refusal),
                             owner(refusal));
        case BH_OBJECT_NUMBER:
            return describe_number(refusal);
        case BH_OBJECT_BEANCOUNTER:
            return describe_beancounter(refusal);
        case BH_OBJECT_BUDGET:
            return describe_budget(refusal);
        case BH_OBJECT_IOCTL:
            return describe_ioctl(refusal);
        default:
            return "-";
    }
}

std::string error_name(const bh_refusal& refusal) {
    // The kernel kills for want of memory, and whoever asked for it is told nothing.
    if (refusal.object_kind == BH_OBJECT_BEANCOUNTER && refusal.error == 0)
        return "SIGKILL";
    if (refusal.error == 0)
        return "dropped";
    const char* name = ::strerrorname_np(-refusal.error);
    return name != nullptr ? name : std::to_string(refusal.error);
}

}  // namespace bulkhead::runtime
