#include "runtime/receipts_render.h"

#include <array>
#include <cstdint>
#include <map>
#include <set>

#include "runtime/clock.h"
#include "runtime/format.h"
#include "runtime/json.h"

namespace bulkhead::runtime {
namespace {

std::uint64_t number_at(const Json& document, std::string_view path) {
    const Json* number = document.find_path(path);
    return number != nullptr ? number->number().value_or(0) : 0;
}

std::string exit_text(const Json& document) {
    const Json& exit = document["exit"];
    if (!exit.is_object())
        return "?";
    return exit.contains("code") ? exit["code"].compact() : "signal " + exit["signal"].compact();
}

void flatten(const std::string& path, const Json& node, std::map<std::string, std::string>& row) {
    const std::string begin = path.empty() ? "" : path + ".";
    const auto flatten_below = [&](const std::string& name, const Json& value) {
        std::string below = begin;
        flatten(below.append(name), value, row);
    };
    for (const auto& [key, value] : node.members())
        flatten_below(key, value);
    for (std::size_t i = 0; i < node.items().size(); ++i)
        flatten_below(std::to_string(i), node[i]);
    if (!node.is_object() && !node.is_array())
        row[path] = node.is_null() ? "" : node.is_text() ? node.text() : node.compact();
}

constexpr std::array kLifeColumns = {"environment", "started",   "ended",
                                     "boot",        "loaded_ns", "serial"};

std::map<std::string, std::string> row_of(const ledger::Entry& receipt) {
    std::map<std::string, std::string> row;
    flatten("", receipt.document, row);
    row["boot"] = receipt.life.boot;
    row["loaded_ns"] = std::to_string(receipt.life.loaded_ns);
    row["serial"] = std::to_string(receipt.life.serial);
    return row;
}

}  // namespace

std::string csv_field(const std::string& value) {
    if (value.find_first_of(",\"\r\n") == std::string::npos)
        return value;
    std::string quoted = "\"";
    for (const char letter : value)
        quoted.append(letter == '"' ? 2 : 1, letter);
    return quoted + "\"";
}

std::string receipts_text(std::span<const ledger::Entry> receipts) {
    std::string text =
        formatted("{:<24} {:<20} {:<20} {:>9} {:>12} {:>14} {:>12} {:>12}\n", "ENVIRONMENT",
                  "STARTED", "ENDED", "EXIT", "CPU", "MEMORY PEAK", "SENT", "RECEIVED");
    for (const ledger::Entry& one : receipts)
        text += formatted("{:<24} {:<20} {:<20} {:>9} {:>10.3f} s {:>14} {:>12} {:>12}\n",
                          one.environment, day_and_time(one.started_unix_ns),
                          day_and_time(one.until_unix_ns), exit_text(one.document),
                          static_cast<double>(number_at(one.document, "cpu.total_ns")) / 1e9,
                          number_at(one.document, "memory.peak_bytes"),
                          number_at(one.document, "network.sent_bytes"),
                          number_at(one.document, "network.received_bytes"));
    return text;
}

std::string exec_receipts_text(std::span<const ledger::Entry> receipts) {
    std::string text = formatted("{:<24} {:>6} {:<16} {:<20} {:<20} {:>9} {:>12}\n", "ENVIRONMENT",
                                 "EXEC", "COMMAND", "STARTED", "ENDED", "EXIT", "CPU");
    for (const ledger::Entry& one : receipts)
        text += formatted("{:<24} {:>6} {:<16} {:<20} {:<20} {:>9} {:>10.3f} s\n", one.environment,
                          number_at(one.document, "exec"), one.document["command"].text(),
                          day_and_time(one.started_unix_ns), day_and_time(one.until_unix_ns),
                          exit_text(one.document),
                          static_cast<double>(number_at(one.document, "cpu.total_ns")) / 1e9);
    return text;
}

Json receipts_json(std::span<const ledger::Entry> receipts) {
    Json array = Json::array();
    for (const ledger::Entry& one : receipts) {
        Json document = one.document;
        document["life"] = {{"boot", one.life.boot},
                            {"loaded_ns", one.life.loaded_ns},
                            {"serial", one.life.serial}};
        array.push_back(std::move(document));
    }
    return array;
}

std::string receipts_csv(std::span<const ledger::Entry> receipts) {
    std::vector<std::map<std::string, std::string>> rows;
    std::set<std::string> further;
    for (const ledger::Entry& one : receipts) {
        rows.push_back(row_of(one));
        for (const auto& [column, value] : rows.back())
            further.insert(column);
    }
    std::vector<std::string> columns(kLifeColumns.begin(), kLifeColumns.end());
    for (const std::string& column : columns)
        further.erase(column);
    columns.insert(columns.end(), further.begin(), further.end());
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i)
        text += (i == 0 ? "" : ",") + csv_field(columns[i]);
    text += "\r\n";
    for (auto& row : rows) {
        for (std::size_t i = 0; i < columns.size(); ++i)
            text += (i == 0 ? "" : ",") + csv_field(row[columns[i]]);
        text += "\r\n";
    }
    return text;
}

}  // namespace bulkhead::runtime
