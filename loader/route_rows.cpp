#include "loader/route_rows.h"

#include <endian.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <span>
#include <tuple>
#include <utility>

#include "loader/map_view.h"
#include "loader/mostly_sorted.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

using Rows = MapView<bh_route_key, bh_route_row>;

constexpr bh_address kLastAddress{~__u64{0}, ~__u64{0}};

Result<Rows> open_rows() {
    return open_pinned_map<bh_route_key, bh_route_row>("bh_routes");
}

bh_address address_of(const __u8* bytes) {
    bh_address address{};
    std::memcpy(&address, bytes, sizeof address);
    return {be64toh(address.high), be64toh(address.low)};
}

bool operator==(const bh_address& one, const bh_address& other) {
    return one.high == other.high && one.low == other.low;
}

bool operator<(const bh_address& one, const bh_address& other) {
    return std::tie(one.high, one.low) < std::tie(other.high, other.low);
}

bh_address last_of(const bh_address& first, __u32 prefix_bits) {
    const auto behind = [](__u32 bits) { return bits >= 64 ? __u64{0} : ~__u64{0} >> bits; };
    if (prefix_bits < 64)
        return {first.high | behind(prefix_bits), ~__u64{0}};
    return {first.high, first.low | behind(prefix_bits - 64)};
}

bh_address next_to(const bh_address& address) {
    return {address.low == ~__u64{0} ? address.high + 1 : address.high, address.low + 1};
}

std::span<const bh_port_rule> entries_of(const Route& route) {
    std::size_t count = 0;
    while (count < BH_MAX_ROUTE_PORTS && route.ports[count].verdict != BH_VERDICT_NONE)
        ++count;
    return {route.ports, count};
}

// Of two prefixes one covers the other, or they have no address in common. So in the order of
// addresses, the shorter one first, what covers an address is a stack.
class Ranges {
public:
    struct Range {
        bh_address from;
        const Route* route;
    };

    std::vector<Range> of(std::vector<RouteRow>& routes) {
        const auto is_before = [](const RouteRow& one, const RouteRow& other) {
            const int order = std::memcmp(one.address, other.address, sizeof one.address);
            return order != 0 ? order < 0 : one.prefix_bits < other.prefix_bits;
        };
        sort_mostly_sorted(routes, is_before);
        ranges_.reserve(routes.size() + 8);
        begin({}, &kNothing);
        for (const RouteRow& row : routes) {
            const bh_address first = address_of(row.address);
            close_before(first);
            begin(first, &row.route);
            open_.push_back({last_of(first, row.prefix_bits), &row.route});
        }
        close_all();
        return std::move(ranges_);
    }

private:
    struct Open {
        bh_address last;
        const Route* route;
    };

    static constexpr Route kNothing{};

    void begin(const bh_address& from, const Route* route) {
        if (!ranges_.empty() && ranges_.back().from == from)
            ranges_.back().route = route;
        else
            ranges_.push_back({from, route});
    }

    // Behind its end what is around it holds again.
    void close() {
        const bh_address last = open_.back().last;
        open_.pop_back();
        if (!(last == kLastAddress))
            begin(next_to(last), open_.empty() ? &kNothing : open_.back().route);
    }

    void close_before(const bh_address& first) {
        while (!open_.empty() && open_.back().last < first)
            close();
    }

    void close_all() {
        while (!open_.empty())
            close();
    }

    std::vector<Range> ranges_;
    std::vector<Open> open_;
};

bh_route_row empty_row() {
    bh_route_row row{};
    std::fill(std::begin(row.from), std::end(row.from), kLastAddress);
    return row;
}

// The rows that say what holds, filled one after the other.
std::vector<bh_route_row> leaves_of(const std::vector<Ranges::Range>& ranges) {
    std::vector<bh_route_row> rows;
    rows.reserve(ranges.size() / BH_ROUTES_IN_ROW + 1);
    for (const Ranges::Range& range : ranges) {
        const auto entries = entries_of(*range.route);
        if (rows.empty() || rows.back().count == BH_ROUTES_IN_ROW ||
            rows.back().first[rows.back().count] + BH_MAX_ROUTE_PORTS > BH_PORTS_IN_ROW)
            rows.push_back(empty_row());
        bh_route_row& row = rows.back();
        const __u8 first = row.first[row.count];
        std::copy(entries.begin(), entries.end(), row.ports + first);
        row.from[row.count++] = range.from;
        row.first[row.count] = static_cast<__u8>(first + entries.size());
    }
    return rows;
}

// The rows that lead to `below`; `beneath` is a place among these yet.
std::vector<bh_route_row> rows_above(const std::vector<bh_route_row>& below) {
    std::vector<bh_route_row> rows;
    for (std::size_t i = 0; i < below.size(); ++i) {
        if (i % BH_ROUTES_IN_ROW == 0)
            rows.emplace_back(empty_row()).beneath = static_cast<__u32>(i);
        rows.back().from[rows.back().count++] = below[i].from[0];
    }
    return rows;
}

std::vector<bh_route_key> keys_of(bh_label label, __u32 generation, __u32 first, __u32 end) {
    std::vector<bh_route_key> keys;
    keys.reserve(end);
    for (__u32 row = first; row < end; ++row)
        keys.push_back({label, generation, row});
    return keys;
}

}  // namespace

std::vector<bh_route_row> rows_of(std::vector<RouteRow> routes) {
    std::vector<std::vector<bh_route_row>> levels = {leaves_of(Ranges().of(routes))};
    while (levels.back().size() > 1)
        levels.push_back(rows_above(levels.back()));
    std::vector<bh_route_row> rows;
    for (auto level = levels.rbegin(); level != levels.rend(); ++level) {
        const auto behind = static_cast<__u32>(rows.size() + level->size());
        if (level + 1 != levels.rend()) {
            for (bh_route_row& row : *level)
                row.beneath += behind;
        }
        rows.insert(rows.end(), level->begin(), level->end());
    }
    rows.front().rows = static_cast<__u32>(rows.size());
    return rows;
}

Status put_routes(bh_label label, __u32 generation, const std::vector<RouteRow>& routes) {
    if (routes.empty())
        return {};
    const std::vector<bh_route_row> values = rows_of(routes);
    auto keys = keys_of(label, generation, 0, static_cast<__u32>(values.size()));
    BULKHEAD_TRY_VALUE(rows, open_rows());
    std::size_t written = 0;
    auto put = rows.put_all(keys, values, written);
    if (!put) {
        keys.resize(written);
        BULKHEAD_TRY(rows.erase_all(keys));
    }
    return put;
}

Status drop_routes(bh_label label, __u32 generation) {
    BULKHEAD_TRY_VALUE(rows, open_rows());
    BULKHEAD_TRY_VALUE(first, rows.find({label, generation, 0}));
    if (!first)
        return {};
    auto keys = keys_of(label, generation, 1, first->rows);
    // By it the others are found.
    keys.push_back({label, generation, 0});
    return rows.erase_all(keys);
}

Status drop_other_routes(bh_label label, __u32 kept) {
    BULKHEAD_TRY_VALUE(rows, open_rows());
    std::vector<bh_route_key> keys;
    BULKHEAD_TRY(rows.for_each_key([&](const bh_route_key& key) {
        if (key.label.slot == label.slot && key.label.serial == label.serial &&
            key.generation != kept)
            keys.push_back(key);
    }));
    return rows.erase_all(keys);
}

}  // namespace bulkhead::loader
