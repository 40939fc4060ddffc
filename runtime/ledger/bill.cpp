#include "runtime/ledger/bill.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace bulkhead::ledger {
namespace {

std::uint64_t less(std::uint64_t from, std::uint64_t taken) {
    return from - std::min(from, taken);
}

std::optional<std::uint64_t> count_at(const Entry& reading, const Quantity& quantity) {
    if (quantity.path == kWallPath)
        return less(reading.until_unix_ns, reading.started_unix_ns);
    if (quantity.path == kStartsPath)
        return 1;
    const Json* count = reading.document.find_path(quantity.path);
    return count != nullptr ? count->number() : std::nullopt;  // none: it was not metered then
}

struct Span {
    const Entry* before = nullptr;  // none: it started in the period
    const Entry* last = nullptr;
    Standing standing = Standing::kRunning;
};

using Spans = std::map<Life, Span>;

// A receipt comes before all others; of the rest the later.
void take_last(Spans& spans, const std::vector<Entry>& readings, Standing standing) {
    for (const Entry& reading : readings) {
        Span& span = spans[reading.life];
        if (span.standing == Standing::kEnded)
            continue;
        if (standing == Standing::kRunning && span.last != nullptr &&
            span.last->until_unix_ns >= reading.until_unix_ns)
            continue;
        span.last = &reading;
        span.standing = standing;
    }
}

Spans spans_of(const Period& period, const Readings& readings) {
    Spans spans;
    take_last(spans, readings.ended, Standing::kEnded);
    take_last(spans, readings.noted, Standing::kRunning);
    take_last(spans, readings.running, Standing::kRunning);
    std::erase_if(spans, [&](const auto& one) {
        return one.second.last->until_unix_ns < period.begin_unix_ns;
    });
    for (const Entry& reading : readings.before_begin)
        if (const auto found = spans.find(reading.life); found != spans.end())
            found->second.before = &reading;
    return spans;
}

BillLine line_of(const Span& span, const Prices& prices) {
    const Entry& last = *span.last;
    BillLine line{.environment = last.environment,
                  .life = last.life,
                  .started_unix_ns = last.started_unix_ns,
                  .until_unix_ns = last.until_unix_ns,
                  .standing = span.standing,
                  .items = {},
                  .amount = 0};
    for (const Price& price : prices.prices) {
        BillItem item{.price = &price, .used = count_at(last, *price.quantity), .amount = 0};
        if (item.used && span.before != nullptr)
            item.used = less(*item.used, count_at(*span.before, *price.quantity).value_or(0));
        item.amount = cost_of(item.used.value_or(0), price, prices.digits);
        line.amount += item.amount;
        line.items.push_back(item);
    }
    return line;
}

}  // namespace

Bill make_bill(const Period& period, Prices prices, const Readings& readings) {
    Bill bill{.period = period, .prices = std::move(prices), .lines = {}, .amount = 0};
    for (const auto& [life, span] : spans_of(period, readings)) {
        bill.lines.push_back(line_of(span, bill.prices));
        bill.amount += bill.lines.back().amount;
    }
    std::sort(bill.lines.begin(), bill.lines.end(), [](const BillLine& a, const BillLine& b) {
        return std::tie(a.environment, a.started_unix_ns, a.life) <
               std::tie(b.environment, b.started_unix_ns, b.life);
    });
    return bill;
}

}  // namespace bulkhead::ledger
