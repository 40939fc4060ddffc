// bulkhead receipts: what ended environments used, from the ledger.
#include "runtime/receipts.h"

#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "runtime/clock.h"
#include "runtime/ledger/instant.h"
#include "runtime/receipts_render.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::string name;
    std::string since;
    std::string until;
    bool json = false;
    bool csv = false;
};

Result<ledger::Filter> filter_of(const Options& options) {
    ledger::Filter filter{.environment = options.name, .since_unix_ns = {}, .until_unix_ns = {}};
    const std::uint64_t now = runtime::unix_now_ns();
    if (!options.since.empty()) {
        BULKHEAD_TRY_VALUE(since, ledger::parse_instant(options.since, now));
        filter.since_unix_ns = since;
    }
    if (!options.until.empty()) {
        BULKHEAD_TRY_VALUE(until, ledger::parse_instant(options.until, now));
        filter.until_unix_ns = until;
    }
    return filter;
}

Result<int> receipts(const Options& options) {
    BULKHEAD_TRY_VALUE(filter, filter_of(options));
    auto opened = runtime::open_drained_ledger();
    if (!opened)
        return fail(std::move(opened).error());
    if (const std::string note = runtime::note_of_foreign(opened->foreign); !note.empty())
        std::fprintf(stderr, "bulkhead receipts: %s\n", note.c_str());
    BULKHEAD_TRY_VALUE(found, opened->ledger.receipts(filter));
    if (options.json)
        std::puts(runtime::receipts_json(found).dump(2).c_str());
    else
        std::fputs(
            (options.csv ? runtime::receipts_csv(found) : runtime::receipts_text(found)).c_str(),
            stdout);
    return 0;
}

Action declare(CLI::App& app) {
    auto options = std::make_shared<Options>();
    app.add_option("NAME", options->name, "of environments of this name; of all without it");
    app.add_option("--since", options->since,
                   "that ended then or later: 2026-11-24, 2026-11-24T10:00:00Z, or 36h ago as 36h");
    app.add_option("--until", options->until, "that ended before");
    auto* json = app.add_flag("--json", options->json, "print JSON");
    app.add_flag("--csv", options->csv, "print CSV")->excludes(json);
    return [options](const Payload&) { return receipts(*options); };
}

}  // namespace

const Command kReceipts = {"receipts", "show what ended environments used", ExitCodes::kOwn,
                           declare};

}  // namespace bulkhead::cli
