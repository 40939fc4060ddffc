// Measures once, then checks: a test for each gate, and one for each thing measured against the
// baseline.
//
//   bench_tests [--baseline FILE] [--figures FILE] [--part starts|applying|hooks|rules|usage]…
//   [gtest flags]
//
// Meant for a guest with one CPU and -icount (scripts/bench): elsewhere figures are nanoseconds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "bench/applying.h"
#include "bench/figures.h"
#include "bench/hooks.h"
#include "bench/rendering.h"
#include "bench/ruled.h"
#include "bench/stage.h"
#include "bench/starts.h"
#include "bench/subject.h"
#include "bench/usage.h"

namespace bulkhead::bench {
namespace {

// The folder that a guest shares with the machine (tests/vm/run).
std::string default_figures() {
    const char* const exchange = std::getenv("BULKHEAD_EXCHANGE");
    return exchange == nullptr ? "/dev/stdout" : std::string(exchange) + "/figures.json";
}

struct Options {
    std::string baseline = BULKHEAD_BENCH_BASELINE;
    std::string figures = default_figures();
    std::set<std::string> parts;
    Groups hooks;  // of the part "hooks"; empty: all

    [[nodiscard]] bool wants(const std::string& part) const {
        return parts.empty() || parts.contains(part);
    }
};

Figures& measured() {
    static Figures figures;
    return figures;
}

Status measure(const Options& options, const NamedCommands& commands, Figures& figures) {
    if (options.wants("starts"))
        BULKHEAD_TRY(measure_starts(commands, figures));
    if (options.wants("applying"))
        BULKHEAD_TRY(measure_applying(BULKHEAD_BENCH_BULKHEAD, figures));
    if (options.wants("hooks"))
        BULKHEAD_TRY(measure_hooks(options.hooks, figures));
    if (options.wants("rules"))
        BULKHEAD_TRY(measure_rules(figures));
    if (options.wants("usage")) {
        BULKHEAD_TRY(measure_usage(BULKHEAD_BENCH_BULKHEAD, figures));
        measure_rendering(figures);
    }
    return {};
}

bool is_compared() {
    const auto& all = *testing::UnitTest::GetInstance();
    for (int i = 0; i < all.total_test_suite_count(); ++i)
        if (const auto* suite = all.GetTestSuite(i);
            suite->should_run() && std::string(suite->name()) == "Baseline")
            return true;
    return false;
}

std::string part_of(const std::string& group) {
    const std::string kind = group.substr(0, group.find('.'));
    if (kind == "start")
        return "starts";
    if (kind == "apply")
        return "applying";
    if (kind == "render" || kind == "agent")
        return "usage";
    return kind == "all" || kind == "one" ? "hooks" : kind;
}

// What measures these groups, and as little else as can be.
Options for_groups(Options options, const std::vector<std::string>& groups) {
    options.parts.clear();
    for (const std::string& group : groups) {
        options.parts.insert(part_of(group));
        if (part_of(group) == "hooks")
            options.hooks.insert(group);
    }
    return options;
}

std::vector<std::string> moved_groups(const Baseline& baseline, const Figures& figures) {
    std::vector<std::string> groups;
    for (const std::string& group : compared_groups(baseline))
        if (!moved(baseline, group, figures).empty())
            groups.push_back(group);
    return groups;
}

// Deferred work of the kernel may meet every batch of a measure, but not of all: what moved is
// measured again, and only what moved each time did.
Status measure_again(const Options& options, const Baseline& baseline,
                     const NamedCommands& commands, Figures& figures) {
    constexpr int kMostTimes = 3;
    std::vector<std::string> groups = moved_groups(baseline, figures);
    for (int time = 0; time < kMostTimes && !groups.empty(); ++time) {
        std::printf("%zu figures moved, the first is %s: measuring again\n", groups.size(),
                    groups.front().c_str());
        Figures again;
        BULKHEAD_TRY(measure(for_groups(options, groups), commands, again));
        for (const std::string& group : groups)
            if (moved(baseline, group, again).empty())
                for (const auto& [name, value] : again)
                    if (group_of(name) == group)
                        figures[name] = value;
        groups = moved_groups(baseline, figures);
    }
    return {};
}

Status measure_all(const Options& options, const Baseline& baseline) {
    const OwnPrograms own{.floor = BULKHEAD_BENCH_FLOOR, .bulkhead = BULKHEAD_BENCH_BULKHEAD};
    const auto commands = start_commands(own);
    std::vector<std::string> programs;
    for (const auto& [name, command] : commands)
        if (name != "spawn")
            programs.push_back(command.front());
    programs.emplace_back(BULKHEAD_BENCH_AGENT);
    BULKHEAD_TRY(enter_stage(programs, {BULKHEAD_BENCH_TRUE, BULKHEAD_BENCH_PAUSE}));
    BULKHEAD_TRY(measure(options, commands, measured()));
    return is_compared() ? measure_again(options, baseline, commands, measured()) : Status();
}

class Measurement : public testing::Environment {
public:
    Measurement(Options options, const Baseline& baseline)
        : options_(std::move(options)), baseline_(baseline) {}

    void SetUp() override {
        // Opened first: the stage does not show it.
        std::ofstream out(options_.figures);
        const auto done = measure_all(options_, baseline_);
        ASSERT_TRUE(done.has_value()) << done.error().message();
        write_figures(out, measured());
        ASSERT_TRUE(out.good()) << "write " << options_.figures;
    }

private:
    Options options_;
    const Baseline& baseline_;
};

class GateTest : public testing::Test {
public:
    explicit GateTest(Gate gate) : gate_(std::move(gate)) {}

    void TestBody() override {
        const auto value = value_of(gate_, measured());
        ASSERT_TRUE(value.has_value()) << value.error().message();
        std::printf("%s: %.3f of at most %.3f\n", gate_.name.c_str(), *value, gate_.limit);
        EXPECT_LE(*value, gate_.limit) << gate_.reason;
    }

private:
    Gate gate_;
};

class BaselineTest : public testing::Test {
public:
    BaselineTest(const Baseline& baseline, std::string group)
        : baseline_(baseline), group_(std::move(group)) {}

    void TestBody() override {
        for (const std::string& line : moved(baseline_, group_, measured()))
            ADD_FAILURE() << line << "; if that is wanted: scripts/bench --update";
    }

private:
    const Baseline& baseline_;
    std::string group_;
};

// What has no row in the baseline has no test: new programs need one.
class CompleteTest : public testing::Test {
public:
    explicit CompleteTest(const Baseline& baseline) : baseline_(baseline) {}

    void TestBody() override {
        for (const auto& [name, value] : measured()) {
            if (name.starts_with("steps."))
                continue;
            EXPECT_TRUE(baseline_.figures.contains(name))
                << name << " is not in the baseline: scripts/bench --update";
        }
    }

private:
    const Baseline& baseline_;
};

std::string test_name(std::string group) {
    std::replace(group.begin(), group.end(), '.', '_');
    return group;
}

void register_test(const char* suite, const std::string& name,
                   const std::function<testing::Test*()>& make) {
    testing::RegisterTest(suite, name.c_str(), nullptr, nullptr, __FILE__, __LINE__, make);
}

void register_tests(const Baseline& baseline) {
    for (const Gate& gate : baseline.gates)
        register_test("Gate", gate.name, [&] { return new GateTest(gate); });
    for (const std::string& group : compared_groups(baseline))
        register_test("Baseline", test_name(group),
                      [&baseline, group] { return new BaselineTest(baseline, group); });
    register_test("Baseline", "names_everything_measured",
                  [&] { return new CompleteTest(baseline); });
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string option = argv[i];
        if (option == "--baseline")
            options.baseline = argv[i + 1];
        else if (option == "--figures")
            options.figures = argv[i + 1];
        else if (option == "--part")
            options.parts.insert(argv[i + 1]);
        else
            return false;
    }
    return argc % 2 == 1;
}

}  // namespace
}  // namespace bulkhead::bench

int main(int argc, char** argv) {
    using namespace bulkhead::bench;
    if (is_subject(argc, argv))
        return be_subject(argv[2]);
    testing::InitGoogleTest(&argc, argv);
    Options options;
    if (!parse(argc, argv, options)) {
        std::fputs("bench_tests: --baseline FILE --figures FILE --part PART\n", stderr);
        return 2;
    }
    const auto baseline = read_baseline(options.baseline);
    if (!baseline) {
        std::fprintf(stderr, "bench_tests: %s\n", baseline.error().message().c_str());
        return 2;
    }
    register_tests(*baseline);
    testing::AddGlobalTestEnvironment(new Measurement(options, *baseline));
    return RUN_ALL_TESTS();
}
