#include "runtime/signal_name.h"

#include <signal.h>

#include <charconv>
#include <cstring>
#include <optional>
#include <string>

namespace bulkhead::runtime {
namespace {

std::optional<int> number_in(std::string_view text) {
    int number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
        return std::nullopt;
    return number;
}

std::optional<int> number_of(std::string_view text) {
    constexpr std::string_view kPrefix = "SIG", kRealTime = "RTMIN+";
    if (const auto number = number_in(text))
        return number;
    if (text.starts_with(kPrefix))
        text.remove_prefix(kPrefix.size());
    if (text.starts_with(kRealTime)) {
        const auto after = number_in(text.substr(kRealTime.size()));
        return after ? std::optional(SIGRTMIN + *after) : std::nullopt;
    }
    for (int signal = 1; signal < SIGRTMIN; ++signal) {
        const char* name = ::sigabbrev_np(signal);
        if (name != nullptr && text == name)
            return signal;
    }
    return std::nullopt;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
    const auto number = number_of(text);
    if (!number || *number < 1 || *number > SIGRTMAX)
        return fail(Error(0, "\"" + std::string(text) + "\" is no signal", Fault::kUsage)
                        .advise("a signal is TERM, SIGTERM, 15 or SIGRTMIN+3"));
    return *number;
}

}  // namespace bulkhead::runtime
