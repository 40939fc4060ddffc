// bulkhead events: what happens to environments.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "runtime/clock.h"
#include "runtime/event_watch.h"
#include "runtime/refusal_report.h"

namespace bulkhead::cli {
namespace {

using nlohmann::json;

constexpr timespec kPoll = {0, 200'000'000};

volatile std::sig_atomic_t interrupted = 0;

struct Options {
    std::string name;
    std::string since;
    bool follow = false;
    bool as_json = false;
};

// "key=value" of what the event alone has.
std::string details_of(const json& event) {
    std::string text;
    for (const auto& [key, value] : event.items()) {
        if (key == "time" || key == "event" || key == "environment")
            continue;
        text +=
            fmt::format(" {}={}", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    return text;
}

std::string refusal_of(const json& event) {
    return fmt::format(" {}[{}] {} {}: {} by {}", event.value("comm", ""), event.value("pid", 0),
                       event.value("hook", ""), event.value("object", ""), event.value("errno", ""),
                       event.value("rule", ""));
}

void print(const Options& options, const json& event) {
    if (options.as_json) {
        std::puts(event.dump().c_str());
        return;
    }
    fmt::print("{} {} {}{}\n", event.value("time", ""), event.value("environment", "-"),
               event.value("event", ""),
               event.contains("hook") ? refusal_of(event) : details_of(event));
}

// Times are compared as text: the calendar's form sorts.
Result<std::string> oldest(const Options& options) {
    if (options.since.empty())
        return std::string();
    BULKHEAD_TRY_VALUE(since_ns, runtime::parse_duration(options.since));
    const std::uint64_t now_ns = runtime::unix_now_ns();
    return runtime::rfc3339(now_ns - std::min(now_ns, since_ns));
}

Result<int> events(const Options& options) {
    BULKHEAD_TRY_VALUE(from, oldest(options));
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    runtime::EventWatch watch(options.name);
    do {
        for (const json& event : watch.look())
            if (event.value("time", "") >= from)
                print(options, event);
        std::fflush(stdout);
        if (options.follow && interrupted == 0)
            ::nanosleep(&kPoll, nullptr);
    } while (options.follow && interrupted == 0);
    return 0;
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.value("NAME", options->name, "only of this environment");
    set.flag("-f,--follow", options->follow,
             "go on until Ctrl-C, with refusals and limits that are met");
    set.value("--since", options->since, "only of the last time, such as 30s, 10m or 2h");
    set.flag("--json", options->as_json, "print JSON, an object a line");
    return [options](const Payload&) { return events(*options); };
}

}  // namespace

const Command kEvents = {"events", "tell what happens to environments", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
