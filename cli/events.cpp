// bulkhead events: what happens to environments.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>

#include "cli/commands.h"
#include "runtime/clock.h"
#include "runtime/event_watch.h"
#include "runtime/format.h"
#include "runtime/json.h"
#include "runtime/refusal_report.h"

namespace bulkhead::cli {
namespace {

constexpr timespec kPoll = {0, 200'000'000};

volatile std::sig_atomic_t interrupted = 0;

struct Options {
    std::string name;
    std::string since;
    bool follow = false;
    bool as_json = false;
};

// "key=value" of what the event alone has.
std::string details_of(const Json& event) {
    std::string text;
    for (const auto& [key, value] : event.members()) {
        if (key == "time" || key == "event" || key == "environment")
            continue;
        text += formatted(" {}={}", key, value.is_text() ? value.text() : value.compact());
    }
    return text;
}

std::string refusal_of(const Json& event) {
    return formatted(" {}[{}] {} {}: {} by {}", event["comm"].text(), event["pid"].compact(),
                     event["hook"].text(), event["object"].text(), event["errno"].text(),
                     event["rule"].text());
}

void print(const Options& options, const Json& event) {
    if (options.as_json) {
        std::puts(event.compact().c_str());
        return;
    }
    const std::string& environment = event["environment"].text();
    print_formatted("{} {} {}{}\n", event["time"].text(), environment.empty() ? "-" : environment,
                    event["event"].text(),
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
        for (const Json& event : watch.look())
            if (event["time"].text() >= from)
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
