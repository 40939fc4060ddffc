#include "runtime/ledger/instant.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>

namespace bulkhead::ledger {
namespace {

namespace time = std::chrono;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr int kLastYear = 2200;  // nanoseconds since 1970 have room for a little more

Error no_moment(const std::string& text) {
    return Error(0, "\"" + text + "\" is no moment", Fault::kUsage)
        .advise(
            "such as 2026-11-24, 2026-11-24T10:00:00Z, 2026-11-24T10:00:00+01:00, now, or a "
            "time ago: 90m, 36h, 7d");
}

Error no_period(const std::string& text) {
    return Error(0, "\"" + text + "\" is no period", Fault::kUsage)
        .advise(
            "such as 2026, 2026-11, 2026-11-24, 2026-W48, or FROM/TO: "
            "2026-10-01T00:00:00+02:00/2026-11-01T00:00:00+01:00");
}

// Takes digits and separators off the front of a text.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool digits(std::size_t count, int& value) {
        if (rest_.size() < count)
            return false;
        for (const char digit : rest_.substr(0, count))
            if (digit < '0' || digit > '9')
                return false;
        std::from_chars(rest_.data(), rest_.data() + count, value);
        rest_.remove_prefix(count);
        return true;
    }
    bool letter(char wanted) {
        if (rest_.empty() || rest_.front() != wanted)
            return false;
        rest_.remove_prefix(1);
        return true;
    }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

bool is_in_range(int year) {
    return year >= 1970 && year <= kLastYear;
}

std::optional<time::sys_days> scan_date(Scanner& in) {
    int year = 0, month = 0, day = 0;
    if (!in.digits(4, year) || !in.letter('-') || !in.digits(2, month) || !in.letter('-') ||
        !in.digits(2, day))
        return std::nullopt;
    const time::year_month_day date{time::year{year}, time::month{static_cast<unsigned>(month)},
                                    time::day{static_cast<unsigned>(day)}};
    if (!date.ok() || !is_in_range(year))
        return std::nullopt;
    return time::sys_days{date};
}

// "10:00[:00]" and an offset: Z, +01:00 or nothing.
std::optional<time::seconds> scan_clock(Scanner& in) {
    int hour = 0, minute = 0, second = 0;
    if (!in.digits(2, hour) || !in.letter(':') || !in.digits(2, minute) ||
        (in.letter(':') && !in.digits(2, second)) || hour > 23 || minute > 59 || second > 59)
        return std::nullopt;
    const time::seconds clock = time::hours{hour} + time::minutes{minute} + time::seconds{second};
    if (in.letter('Z'))
        return clock;
    const int sign = in.letter('+') ? 1 : in.letter('-') ? -1 : 0;
    if (sign == 0)
        return clock;
    int hours = 0, minutes = 0;
    if (!in.digits(2, hours) || !in.letter(':') || !in.digits(2, minutes) || hours > 14 ||
        minutes > 59)
        return std::nullopt;
    return clock - sign * (time::hours{hours} + time::minutes{minutes});
}

std::uint64_t ns_of(time::sys_seconds at) {
    const auto seconds = at.time_since_epoch().count();
    return seconds < 0 ? 0 : static_cast<std::uint64_t>(seconds) * kSecond;
}

std::optional<std::uint64_t> scan_ago(const std::string& text, std::uint64_t now_unix_ns) {
    constexpr std::uint64_t kMost = 1'000'000;
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || count > kMost || end + 1 != text.data() + text.size())
        return std::nullopt;
    const std::uint64_t unit = *end == 's'   ? 1
                               : *end == 'm' ? 60
                               : *end == 'h' ? 3600
                               : *end == 'd' ? 86400
                                             : 0;
    if (unit == 0)
        return std::nullopt;
    return now_unix_ns - std::min(now_unix_ns, count * unit * kSecond);
}

// Weeks of ISO 8601 begin on Monday; the first has the year's first Thursday.
std::optional<Period> scan_week(Scanner in) {
    int year = 0, week = 0;
    if (!in.digits(4, year) || !in.letter('-') || !in.letter('W') || !in.digits(2, week) ||
        !in.at_end() || !is_in_range(year))
        return std::nullopt;
    const auto monday_of_first = [](int of) {
        const time::sys_days fourth{time::year{of} / time::January / 4};
        return fourth - (time::weekday{fourth} - time::Monday);
    };
    const time::sys_days begin = monday_of_first(year) + time::weeks{week - 1};
    if (week < 1 || begin >= monday_of_first(year + 1))
        return std::nullopt;
    return Period{ns_of(begin), ns_of(begin + time::weeks{1})};
}

std::optional<Period> scan_calendar(const std::string& text) {
    if (auto week = scan_week(Scanner(text)))
        return week;
    Scanner whole(text);
    if (const auto day = scan_date(whole); day && whole.at_end())
        return Period{ns_of(*day), ns_of(*day + time::days{1})};
    Scanner in(text);
    int year = 0, month = 0;
    if (!in.digits(4, year) || !is_in_range(year))
        return std::nullopt;
    if (in.at_end())
        return Period{ns_of(time::sys_days{time::year{year} / time::January / 1}),
                      ns_of(time::sys_days{time::year{year + 1} / time::January / 1})};
    if (!in.letter('-') || !in.digits(2, month) || !in.at_end() || month < 1 || month > 12)
        return std::nullopt;
    const time::year_month first{time::year{year}, time::month{static_cast<unsigned>(month)}};
    return Period{ns_of(time::sys_days{first / 1}),
                  ns_of(time::sys_days{(first + time::months{1}) / 1})};
}

}  // namespace

Result<std::uint64_t> parse_instant(const std::string& text, std::uint64_t now_unix_ns) {
    if (text == "now")
        return now_unix_ns;
    if (const auto ago = scan_ago(text, now_unix_ns))
        return *ago;
    Scanner in(text);
    const auto date = scan_date(in);
    if (!date)
        return fail(no_moment(text));
    if (in.at_end())
        return ns_of(*date);
    if (!in.letter('T') && !in.letter(' '))
        return fail(no_moment(text));
    const auto clock = scan_clock(in);
    if (!clock || !in.at_end())
        return fail(no_moment(text));
    return ns_of(*date + *clock);
}

Result<Period> parse_period(const std::string& text, std::uint64_t now_unix_ns) {
    if (const auto calendar = scan_calendar(text))
        return *calendar;
    const auto slash = text.find('/');
    if (slash == std::string::npos)
        return fail(no_period(text));
    BULKHEAD_TRY_VALUE(begin, parse_instant(text.substr(0, slash), now_unix_ns));
    BULKHEAD_TRY_VALUE(end, parse_instant(text.substr(slash + 1), now_unix_ns));
    if (begin >= end)
        return fail(Error(0, "the period " + text + " ends before it begins", Fault::kUsage));
    return Period{begin, end};
}

}  // namespace bulkhead::ledger
