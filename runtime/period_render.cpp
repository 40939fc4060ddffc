// Receipts of a period as text, CSV and JSON.
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

std::string used(const BillLine& line, std::string_view quantity) {
    for (const BillItem& item : line.items)
        if (item.price->quantity->name == quantity)
            return item.used ? std::to_string(*item.used) : "-";
    return "-";
}

}  // namespace

std::string period_text(const Bill& bill) {
    std::string text =
        formatted("from {} until {}\n{:<24} {:<8} {:<20} {:>18} {:>24} {:>14} {:>14}\n",
                  day_and_time(bill.period.begin_unix_ns), day_and_time(bill.period.end_unix_ns),
                  "ENVIRONMENT", "IS", "UNTIL", "CPU ns", "MEMORY byte-s", "SENT", "RECEIVED");
    for (const BillLine& line : bill.lines)
        text += formatted("{:<24} {:<8} {:<20} {:>18} {:>24} {:>14} {:>14}\n", line.environment,
                          standing_name(line.standing), day_and_time(line.until_unix_ns),
                          used(line, "cpu"), used(line, "memory"), used(line, "sent"),
                          used(line, "received"));
    return text;
}

std::string period_csv(const Bill& bill) {
    std::string text = "environment,started,until,standing,boot,loaded_ns,serial";
    for (const Price& price : bill.prices.prices)
        text += "," + std::string(price.quantity->path);
    text += "\r\n";
    for (const BillLine& line : bill.lines) {
        text += formatted("{},{},{},{},{},{},{}", csv_field(line.environment),
                          rfc3339(line.started_unix_ns), rfc3339(line.until_unix_ns),
                          standing_name(line.standing), line.life.boot, line.life.loaded_ns,
                          line.life.serial);
        for (const BillItem& item : line.items)
            text += "," + (item.used ? std::to_string(*item.used) : std::string());
        text += "\r\n";
    }
    return text;
}

Json period_json(const Bill& bill) {
    Json receipts = Json::array();
    for (const BillLine& line : bill.lines) {
        Json receipt = {{"environment", line.environment},
                        {"started", rfc3339(line.started_unix_ns)},
                        {"until", rfc3339(line.until_unix_ns)},
                        {"standing", standing_name(line.standing)},
                        {"life",
                         {{"boot", line.life.boot},
                          {"loaded_ns", line.life.loaded_ns},
                          {"serial", line.life.serial}}}};
        for (const BillItem& item : line.items)
            receipt.at_path(item.price->quantity->path) = Json(item.used);
        receipts.push_back(std::move(receipt));
    }
    return {{"from", rfc3339(bill.period.begin_unix_ns)},
            {"until", rfc3339(bill.period.end_unix_ns)},
            {"receipts", std::move(receipts)}};
}

}  // namespace bulkhead::ledger
