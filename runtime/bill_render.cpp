// A bill as text, CSV and JSON.
#include "runtime/clock.h"
#include "runtime/format.h"
#include "runtime/json.h"
#include "runtime/ledger/bill.h"
#include "runtime/receipts_render.h"

namespace bulkhead::ledger {
namespace {

using runtime::csv_field;
using runtime::day_and_time;
using runtime::rfc3339;

std::string used_text(const BillItem& item) {
    return item.used ? std::to_string(*item.used) : "not metered";
}

Json item_json(const BillItem& item, unsigned digits) {
    const Quantity& quantity = *item.price->quantity;
    return {{"quantity", quantity.name},
            {"used", item.used},
            {"unit", quantity.base_unit},
            {"price", item.price->text},
            {"amount", amount_text(item.amount, digits)}};
}

}  // namespace

const char* standing_name(Standing standing) {
    return standing == Standing::kEnded ? "ended" : "running";
}

std::string bill_text(const Bill& bill) {
    const unsigned digits = bill.prices.digits;
    std::string text =
        formatted("from {} until {}, in {}\n", day_and_time(bill.period.begin_unix_ns),
                  day_and_time(bill.period.end_unix_ns), bill.prices.currency);
    for (const BillLine& line : bill.lines) {
        text += formatted("\n{:<48} {:>24}\n", line.environment, amount_text(line.amount, digits));
        text += formatted("  {} {}, started {}\n", standing_name(line.standing),
                          day_and_time(line.until_unix_ns), day_and_time(line.started_unix_ns));
        for (const BillItem& item : line.items)
            text += formatted("  {:<17} {:>28} {:>16}  {}\n", item.price->quantity->name,
                              used_text(item) + " " + std::string(item.price->quantity->base_unit),
                              amount_text(item.amount, digits), item.price->text);
    }
    return text + formatted("\n{:<48} {:>24}\n", "total", amount_text(bill.amount, digits));
}

std::string bill_csv(const Bill& bill) {
    std::string text =
        "environment,boot,loaded_ns,serial,standing,started,until,quantity,used,unit,price,amount,"
        "currency\r\n";
    for (const BillLine& line : bill.lines)
        for (const BillItem& item : line.items)
            text += formatted(
                "{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", csv_field(line.environment),
                line.life.boot, line.life.loaded_ns, line.life.serial, standing_name(line.standing),
                rfc3339(line.started_unix_ns), rfc3339(line.until_unix_ns),
                item.price->quantity->name, item.used ? std::to_string(*item.used) : "",
                item.price->quantity->base_unit, csv_field(item.price->text),
                amount_text(item.amount, bill.prices.digits), csv_field(bill.prices.currency));
    return text;
}

Json bill_json(const Bill& bill) {
    Json lines = Json::array();
    for (const BillLine& line : bill.lines) {
        Json items = Json::array();
        for (const BillItem& item : line.items)
            items.push_back(item_json(item, bill.prices.digits));
        lines.push_back({{"environment", line.environment},
                         {"life",
                          {{"boot", line.life.boot},
                           {"loaded_ns", line.life.loaded_ns},
                           {"serial", line.life.serial}}},
                         {"standing", standing_name(line.standing)},
                         {"started", rfc3339(line.started_unix_ns)},
                         {"until", rfc3339(line.until_unix_ns)},
                         {"items", std::move(items)},
                         {"amount", amount_text(line.amount, bill.prices.digits)}});
    }
    return {{"from", rfc3339(bill.period.begin_unix_ns)},
            {"until", rfc3339(bill.period.end_unix_ns)},
            {"currency", bill.prices.currency},
            {"lines", std::move(lines)},
            {"amount", amount_text(bill.amount, bill.prices.digits)}};
}

}  // namespace bulkhead::ledger
