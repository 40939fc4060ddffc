// [network]: ports that may be served, and addresses and environments that may be reached.
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <utility>

#include "runtime/policy/address.h"
#include "runtime/policy/compile.h"
#include "runtime/policy/peers.h"

namespace bulkhead::policy {
namespace {

struct Entry {
    Prefix prefix;
    Ports ports;
    bh_verdict verdict = BH_VERDICT_NONE;
    std::uint32_t number = 0;
    std::uint32_t source = 0;
    std::string environment;  // "": it is about the prefix
};

constexpr std::uint16_t kDomain = 53;

bh_port_rule to_row(const Entry& entry) {
    return {.first = entry.ports.first,
            .last = entry.ports.last,
            .protocol = entry.ports.protocol,
            .verdict = static_cast<__u8>(entry.verdict),
            .rule = static_cast<__u16>(entry.number)};
}

bool is_total(const Entry& entry) {
    return entry.ports == Ports{};
}

// Of one prefix or name the first that fits decides: what the policy itself says before what it
// extends, few ports before many, a protocol before any, and refusing before allowing.
bool decides_before(const Entry& a, const Entry& b) {
    const auto rank = [](const Entry& entry) {
        return std::tuple(~entry.source, entry.ports.last - entry.ports.first,
                          entry.ports.protocol == 0, entry.verdict == BH_VERDICT_ALLOW,
                          entry.number);
    };
    return rank(a) < rank(b);
}

class Egress {
public:
    explicit Egress(Compilation& compilation) : compilation_(compilation) {}

    void compile() {
        collect(Key::kNetworkAllow, BH_VERDICT_ALLOW);
        collect(Key::kNetworkRefuse, BH_VERDICT_REFUSE);
        collect(Key::kNetworkDrop, BH_VERDICT_DROP);
        collect_resolver();
        take_default();
        if (entries_.empty() && default_.verdict == BH_VERDICT_ALLOW)
            return;
        compilation_.refuse(BH_CLASS_EGRESS, default_.number);
        refuse_contradictions();
        take_names();
        make_rows();
        name_peers();
        add_unspecified("0.0.0.0", "127.0.0.1");
        add_unspecified("::", "::1");
        compilation_.policy.rules.routes = std::move(rows_);
    }

private:
    using Chain = std::vector<Entry>;

    void collect(Key key, bh_verdict verdict) {
        for (const std::uint32_t number : compilation_.entries(key)) {
            const Parsed<Target> target = parse_target(compilation_.statement(number).value);
            if (target.value)
                entries_.push_back({target.value->prefix, target.value->ports, verdict, number,
                                    compilation_.source_of(number), target.value->environment});
            else
                compilation_.mistake(number, target.wrong);
        }
    }

    void collect_resolver() {
        const std::uint32_t number = compilation_.last(Key::kResolver);
        if (number == 0)
            return;
        const std::string& text = compilation_.statement(number).value;
        const Parsed<Target> target = parse_target(text);
        if (!target.value || target.value->prefix.bits != 128 || target.value->ports != Ports{})
            return compilation_.mistake(
                number, "[network] resolver is one address without port: \"" + text + "\" is not");
        for (const int protocol : {IPPROTO_UDP, IPPROTO_TCP})
            entries_.push_back({target.value->prefix,
                                {kDomain, kDomain, static_cast<std::uint8_t>(protocol)},
                                BH_VERDICT_ALLOW,
                                number,
                                compilation_.source_of(number),
                                ""});
    }

    void take_default() {
        default_.verdict = BH_VERDICT_ALLOW;
        default_.number = compilation_.last(Key::kNetworkDefault);
        if (default_.number == 0)
            return;
        default_.source = compilation_.source_of(default_.number);
        const std::string& value = compilation_.statement(default_.number).value;
        if (value != "allow")
            default_.verdict = value == "drop" ? BH_VERDICT_DROP : BH_VERDICT_REFUSE;
    }

    // The same target twice: within one text a mistake, else the later text's holds.
    void refuse_contradictions() {
        const auto is_before = [](const Entry& a, const Entry& b) {
            return std::tie(a.environment, a.prefix, a.ports, a.source, a.number) <
                   std::tie(b.environment, b.prefix, b.ports, b.source, b.number);
        };
        // A long list is a sorted one as a rule.
        if (!std::is_sorted(entries_.begin(), entries_.end(), is_before))
            std::sort(entries_.begin(), entries_.end(), is_before);
        std::size_t kept = 0;
        for (const Entry& entry : entries_) {
            Entry* const last = kept == 0 ? nullptr : &entries_[kept - 1];
            if (last == nullptr || last->environment != entry.environment ||
                last->prefix != entry.prefix || last->ports != entry.ports)
                entries_[kept++] = entry;
            else if (last->source == entry.source)
                say_contradiction(entry, *last);
            else
                *last = entry;
        }
        entries_.resize(kept);
    }

    void say_contradiction(const Entry& entry, const Entry& before) {
        compilation_.mistake(entry.number, "\"" + compilation_.statement(entry.number).value +
                                               "\" is in " +
                                               compilation_.policy.describe_rule(before.number) +
                                               " already: keep the one that is meant");
    }

    // They are sorted behind the addresses.
    void take_names() {
        const auto first = std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) {
            return !entry.environment.empty();
        });
        names_.assign(first, entries_.end());
        entries_.erase(first, entries_.end());
    }

    void name_peers() {
        for (auto begin = names_.begin(); begin != names_.end();) {
            const auto end = std::find_if(begin, names_.end(), [&](const Entry& entry) {
                return entry.environment != begin->environment;
            });
            Chain chain(begin, end);
            std::sort(chain.begin(), chain.end(), decides_before);
            check_changes(chain, chain.size(), beneath_names());
            name_peer(chain);
            begin = end;
        }
    }

    // What holds for whatever address an environment is reached at; nullptr: it depends.
    [[nodiscard]] const Entry* beneath_names() const {
        const bool depends = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
            return entry.verdict != default_.verdict;
        });
        return depends ? nullptr : &default_;
    }

    void name_peer(const Chain& chain) {
        const std::string& name = chain.front().environment;
        if (chain.size() > BH_MAX_PEER_PORTS)
            return compilation_.mistake(chain.front().number,
                                        environment_text(name) + " has more than " +
                                            std::to_string(BH_MAX_PEER_PORTS) +
                                            " rules: join ranges of ports");
        loader::PeerRow& row = peer_row(compilation_.policy.rules, name);
        std::transform(chain.begin(), chain.end(), row.ports.begin(), to_row);
        compilation_.policy.rules.policy.flags |= BH_POLICY_NAMES;
    }

    // Entries are sorted by address and length: the prefixes that cover one are those before it
    // that have not ended.
    void make_rows() {
        std::vector<std::pair<Prefix, Chain>> covering;
        rows_.reserve(entries_.size() + 4);  // those that may be missing
        for (std::size_t begin = 0; begin < entries_.size();) {
            const Prefix& prefix = entries_[begin].prefix;
            std::size_t end = begin;
            while (end < entries_.size() && entries_[end].prefix == prefix)
                ++end;
            while (!covering.empty() && !inherits(covering.back().first, prefix))
                covering.pop_back();
            Chain chain(entries_.begin() + static_cast<std::ptrdiff_t>(begin),
                        entries_.begin() + static_cast<std::ptrdiff_t>(end));
            std::sort(chain.begin(), chain.end(), decides_before);
            const std::size_t own = chain.size();
            if (!covering.empty())
                chain.insert(chain.end(), covering.back().second.begin(),
                             covering.back().second.end());
            check_changes(chain, own, &default_);
            add_row(prefix, chain);
            covering.emplace_back(prefix, std::move(chain));
            begin = end;
        }
        add_if_missing({});
        // ::/0 is all of IPv6; what a rule says of it is not said of IPv4.
        add_if_missing(parse_target("0.0.0.0/0").value->prefix);
    }

    static bool inherits(const Prefix& from, const Prefix& prefix) {
        return from.is_ipv4() == prefix.is_ipv4() && from.covers(prefix);
    }

    // `beneath`: what decides where no entry fits; nullptr: that is not known.
    void check_changes(const Chain& chain, std::size_t own, const Entry* beneath) {
        for (std::size_t i = 0; i < own; ++i) {
            const auto next = std::find_if(
                chain.begin() + static_cast<std::ptrdiff_t>(i) + 1, chain.end(),
                [&](const Entry& later) { return later.ports.overlaps(chain[i].ports); });
            if (next == chain.end() && beneath == nullptr)
                continue;
            const Entry& without = next == chain.end() ? *beneath : *next;
            const bool same_text = without.number == 0 || without.source == chain[i].source;
            // A resolver is said for its own sake.
            const bool is_list = compilation_.statement(chain[i].number).key->key != Key::kResolver;
            if (is_list && same_text && without.verdict == chain[i].verdict &&
                without.ports.covers(chain[i].ports))
                compilation_.mistake(
                    chain[i].number,
                    key_title(*compilation_.statement(chain[i].number).key) + " \"" +
                        compilation_.statement(chain[i].number).value + "\" changes nothing: " +
                        (without.number == 0 ? "[network] default is \"allow\""
                                             : compilation_.policy.describe_rule(without.number) +
                                                   " says the same"));
        }
    }

    void add_row(const Prefix& prefix, const Chain& chain) {
        loader::Route route{};
        std::size_t used = 0;
        bool complete = false;
        for (std::size_t i = 0; i <= chain.size() && !complete; ++i) {
            const Entry& entry = i < chain.size() ? chain[i] : default_;
            // What no entry fits is refused: the default need not say so.
            if (i == chain.size() && entry.verdict == BH_VERDICT_REFUSE)
                break;
            if (used == BH_MAX_ROUTE_PORTS)
                return compilation_.mistake(
                    chain.front().number,
                    to_text(prefix) + " has more than " + std::to_string(BH_MAX_ROUTE_PORTS) +
                        " rules together with those of the prefixes around it and the default: "
                        "join ranges of ports");
            route.ports[used++] = to_row(entry);
            complete = is_total(entry);
        }
        add_row(prefix, route);
    }

    void add_row(const Prefix& prefix, const loader::Route& route) {
        loader::RouteRow& row = rows_.emplace_back();
        std::copy(prefix.address.begin(), prefix.address.end(), row.address);
        row.prefix_bits = prefix.bits;
        row.route = route;
    }

    static Prefix prefix_of(const loader::RouteRow& row) {
        Prefix prefix{{}, row.prefix_bits};
        std::copy(std::begin(row.address), std::end(row.address), prefix.address.begin());
        return prefix;
    }

    [[nodiscard]] bool has_row(const Prefix& prefix) const {
        return std::any_of(rows_.begin(), rows_.end(), [&](const loader::RouteRow& row) {
            return row.prefix_bits == prefix.bits && prefix_of(row) == prefix;
        });
    }

    void add_if_missing(const Prefix& prefix) {
        if (!has_row(prefix))
            add_row(prefix, Chain());
    }

    // Connecting to the unspecified address reaches the loopback.
    void add_unspecified(const char* unspecified, const char* loopback) {
        const Prefix from = parse_target(unspecified).value->prefix;
        if (!has_row(from))
            add_row(from, route_of(parse_target(loopback).value->prefix));
    }

    [[nodiscard]] loader::Route route_of(const Prefix& address) const {
        std::pair<std::uint32_t, loader::Route> best{};
        for (const loader::RouteRow& row : rows_) {
            if (row.prefix_bits >= best.first && prefix_of(row).covers(address))
                best = {row.prefix_bits, row.route};
        }
        return best.second;
    }

    Compilation& compilation_;
    std::vector<Entry> entries_;
    std::vector<Entry> names_;
    Entry default_;
    std::vector<loader::RouteRow> rows_;
};

}  // namespace

void compile_egress(Compilation& compilation) {
    Egress(compilation).compile();
}

void compile_listen(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kListen, Form::kList);
    if (list == 0)
        return;
    bh_policy& policy = compilation.policy.rules.policy;
    std::vector<Entry> entries;
    for (const std::uint32_t number : compilation.entries_of_last(Key::kListen)) {
        const Parsed<Ports> ports = parse_listen(compilation.statement(number).value);
        if (!ports.value) {
            compilation.mistake(number, ports.wrong);
            continue;
        }
        const Entry entry{{}, *ports.value, BH_VERDICT_ALLOW, number, 0, {}};
        const auto same = std::find_if(entries.begin(), entries.end(), [&](const Entry& other) {
            return other.ports.covers(entry.ports);
        });
        if (same != entries.end())
            compilation.mistake(
                number, "[network] listen \"" + compilation.statement(number).value +
                            "\" changes nothing: " +
                            compilation.policy.describe_rule(same->number) + " says the same");
        else
            entries.push_back(entry);
    }
    if (entries.size() > BH_MAX_LISTEN)
        return compilation.mistake(list, "[network] listen has " + std::to_string(entries.size()) +
                                             " entries, more than " +
                                             std::to_string(BH_MAX_LISTEN) +
                                             ": join them to ranges of ports");
    policy.listen_count = static_cast<__u32>(entries.size());
    std::transform(entries.begin(), entries.end(), policy.listen, to_row);
    compilation.refuse(BH_CLASS_LISTEN, list);
}

}  // namespace bulkhead::policy
