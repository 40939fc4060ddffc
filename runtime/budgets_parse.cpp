// How a budget is written on a command line.
#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/budgets.h"
#include "runtime/policy/mistakes.h"
#include "runtime/spec.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1000 * kMillisecond;
constexpr std::uint64_t kDay = 24 * 3600 * kSecond;
constexpr std::uint64_t kLongestPeriod = 366 * kDay;
constexpr std::uint64_t kPageBytes = 4096;
constexpr const char* kForm =
    "KIND=AMOUNT/PERIOD[,warn=PERCENT%][,on-warn=ACTION][,on-exceed=ACTION], such as "
    "egress=10G/1d,warn=80%";

struct Unit {
    std::string_view name;
    std::uint64_t ns;
};

constexpr std::array kUnits = {
    Unit{"ms", kMillisecond},
    Unit{"s", kSecond},
    Unit{"m", 60 * kSecond},
    Unit{"h", 3600 * kSecond},
    Unit{"d", kDay},
    Unit{"w", 7 * kDay},
    Unit{"minute", 60 * kSecond},
    Unit{"hour", 3600 * kSecond},
    Unit{"day", kDay},
    Unit{"week", 7 * kDay},
};

// One option's text, for messages.
class Text {
public:
    explicit Text(const std::string& whole) : whole_(whole) {}

    [[nodiscard]] Error error(std::string_view part, const std::string& what,
                              const std::string& remedy = kForm) const {
        return Error(0, "\"" + std::string(part) + "\" in --budget " + whole_ + " " + what,
                     Fault::kUsage)
            .advise(remedy);
    }

private:
    const std::string& whole_;
};

std::optional<std::uint64_t> times(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

std::optional<std::uint64_t> parse_time(std::string_view text) {
    std::uint64_t number = 1;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    const std::string_view name(rest, static_cast<std::size_t>(end - rest));
    const bool is_word = name.size() > 2;
    // A word stands alone, and what is shorter behind a number.
    if ((error == std::errc{}) == is_word)
        return std::nullopt;
    const auto* unit = std::find_if(kUnits.begin(), kUnits.end(),
                                    [&](const Unit& known) { return known.name == name; });
    return unit == kUnits.end() ? std::nullopt : times(number, unit->ns);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc{} && rest == text.data() + text.size();
    return whole ? std::optional(number) : std::nullopt;
}

Result<std::uint64_t> parse_duration(std::string_view text, std::uint64_t unit_ns,
                                     const Text& whole) {
    const auto ns = parse_time(text);
    if (!ns)
        return fail(whole.error(text, "is no time", "times are such as 500ms, 90s, 10m, 8h or 2d"));
    return *ns / unit_ns;
}

// "1Gx2h": so many bytes, held for so long; in pages times seconds.
Result<std::uint64_t> parse_byte_seconds(std::string_view text, const Text& whole) {
    constexpr const char* kRemedy = "BYTESxTIME, such as 1Gx2h: 1 GiB held for two hours";
    const std::size_t cross = text.find('x');
    if (cross == std::string_view::npos)
        return fail(whole.error(text, "is no memory times time", kRemedy));
    const auto bytes = parse_bytes(text.substr(0, cross));
    const auto ns = parse_time(text.substr(cross + 1));
    const auto product =
        bytes && ns ? times(*bytes / kPageBytes, *ns / kMillisecond) : std::nullopt;
    if (!product)
        return fail(whole.error(text, "is no memory times time", kRemedy));
    return *product / 1000;
}

Result<std::uint64_t> parse_amount(bh_budget_kind kind, std::string_view text, const Text& whole) {
    switch (kind) {
        case BH_BUDGET_EGRESS: {
            const auto bytes = parse_bytes(text);
            if (!bytes)
                return fail(
                    whole.error(text, "is no number of bytes", "bytes are such as 512M or 10G"));
            return *bytes;
        }
        case BH_BUDGET_CPU:
            return parse_duration(text, 1000, whole);
        case BH_BUDGET_MEMORY:
            return parse_byte_seconds(text, whole);
        case BH_BUDGET_WALL:
            return parse_duration(text, kMillisecond, whole);
        default: {
            const auto number = parse_number(text);
            if (!number)
                return fail(whole.error(text, "is no number"));
            return *number;
        }
    }
}

Result<bh_budget_kind> parse_kind(std::string_view name) {
    std::vector<std::string_view> names;
    std::string known;
    for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind) {
        names.emplace_back(loader::budget_name(kind));
        if (name == names.back())
            return static_cast<bh_budget_kind>(kind);
        known += (kind == 0 ? "" : ", ") + std::string(names.back());
    }
    return fail(Error(0,
                      "no budget is named \"" + std::string(name) + "\"" +
                          policy::did_you_mean(name, names),
                      Fault::kUsage)
                    .advise("budgets are " + known));
}

Result<bh_budget_action> parse_action(std::string_view name, const Text& whole) {
    for (unsigned action = 0; action < BH_ON_COUNT; ++action)
        if (name == action_name(action))
            return static_cast<bh_budget_action>(action);
    return fail(whole.error(name, "is no action of a budget",
                            "event: it is recorded; refuse: no fork, exec and packet until the "
                            "period ends; throttle, pause, stop: the agent does so"));
}

// A share of the amount, rounded up: from there on.
Result<std::uint64_t> parse_share(std::string_view text, std::uint64_t amount, const Text& whole) {
    const auto percent =
        text.ends_with('%') ? parse_number(text.substr(0, text.size() - 1)) : std::nullopt;
    if (!percent || *percent == 0 || *percent >= 100)
        return fail(whole.error(text, "is no share between 1% and 99%"));
    return amount / 100 * *percent + (amount % 100 * *percent + 99) / 100;
}

Status parse_option(std::string_view option, loader::BudgetTerms& terms, const Text& whole) {
    const std::size_t equals = std::min(option.find('='), option.size());
    const std::string_view key = option.substr(0, equals);
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    if (key == "warn") {
        BULKHEAD_TRY_VALUE(warn, parse_share(value, terms.amount, whole));
        terms.warn = warn;
    } else if (key == "on-warn") {
        BULKHEAD_TRY_VALUE(action, parse_action(value, whole));
        terms.on_warn = action;
    } else if (key == "on-exceed") {
        BULKHEAD_TRY_VALUE(action, parse_action(value, whole));
        terms.on_exceed = action;
    } else {
        return fail(whole.error(option, "is none of warn, on-warn and on-exceed"));
    }
    return {};
}

// Each with its comma before it.
Status parse_options(std::string_view options, loader::BudgetTerms& terms, const Text& whole) {
    bool acts_on_warning = false;
    while (!options.empty()) {
        options.remove_prefix(1);
        const std::string_view option = options.substr(0, options.find(','));
        BULKHEAD_TRY(parse_option(option, terms, whole));
        acts_on_warning = acts_on_warning || option.starts_with("on-warn");
        options.remove_prefix(option.size());
    }
    if (acts_on_warning && terms.warn == BH_NEVER)
        return fail(whole.error("on-warn", "has no warning to act on", "give warn=PERCENT% too"));
    return {};
}

Result<loader::BudgetTerms> parse_terms(bh_budget_kind kind, std::string_view text,
                                        const Text& whole) {
    std::string_view rest = text.substr(std::min(text.find(','), text.size()));
    text.remove_suffix(rest.size());
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos)
        return fail(whole.error(text, "has no period"));
    loader::BudgetTerms terms;
    BULKHEAD_TRY_VALUE(amount, parse_amount(kind, text.substr(0, slash), whole));
    if (amount > BH_SPENT_MOST)
        return fail(whole.error(text.substr(0, slash), "is more than can be counted",
                                "give a shorter period and less"));
    terms.amount = amount;
    const std::string_view period = text.substr(slash + 1);
    const auto period_ns = parse_time(period);
    if (!period_ns || *period_ns < kSecond || *period_ns > kLongestPeriod)
        return fail(whole.error(period, "is no period",
                                "periods are from 1s to 366d, such as 90s, 1h, 1d or week"));
    terms.period_ns = *period_ns;
    BULKHEAD_TRY(parse_options(rest, terms, whole));
    return terms;
}

}  // namespace

const char* action_name(unsigned action) {
    static constexpr std::array kNames = {"event", "refuse", "throttle", "pause", "stop"};
    static_assert(kNames.size() == BH_ON_COUNT);
    return action < kNames.size() ? kNames[action] : "?";
}

Result<BudgetWanted> parse_budget(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return fail(Error(0, "--budget " + text + " gives no amount", Fault::kUsage).advise(kForm));
    BULKHEAD_TRY_VALUE(kind, parse_kind(std::string_view(text).substr(0, equals)));
    const std::string_view rest = std::string_view(text).substr(equals + 1);
    if (rest == "unlimited")
        return BudgetWanted{kind, std::nullopt};
    BULKHEAD_TRY_VALUE(terms, parse_terms(kind, rest, Text(text)));
    return BudgetWanted{kind, terms};
}

Result<std::vector<BudgetWanted>> parse_budgets(const std::vector<std::string>& texts) {
    std::vector<BudgetWanted> all;
    for (const std::string& text : texts) {
        BULKHEAD_TRY_VALUE(wanted, parse_budget(text));
        const bool is_second = std::any_of(all.begin(), all.end(), [&](const BudgetWanted& other) {
            return other.kind == wanted.kind;
        });
        if (is_second)
            return fail(Error(0, "--budget " + text + " is a second one of its kind", Fault::kUsage)
                            .advise("an environment has one budget of each kind"));
        all.push_back(wanted);
    }
    return all;
}

}  // namespace bulkhead::runtime
