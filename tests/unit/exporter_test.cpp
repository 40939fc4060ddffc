// The endpoint without a kernel: what a scraper asks for, and what is exported and described.
#include "runtime/exporter.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "runtime/agent/accept.h"
#include "runtime/agent/listen_socket.h"
#include "runtime/agent/page.h"
#include "runtime/exporter_metrics.h"
#include "runtime/ledger/pending.h"
#include "tests/unit/ledger_support.h"

namespace bulkhead::runtime {
namespace {

using agent::Coding;
using agent::Format;
using prometheus::MetricFamily;

// All that can be exported has a sample in it.
Machine machine() {
    Machine machine;
    machine.version = "1.2.3";
    machine.loaded_unix_s = 1000;
    machine.programs = {{"bh_file_open", 7, 1'500'000'000, 2}};
    machine.maps = {{"bh_objects", 3, 65536}};
    return machine;
}

Usage usage(const std::string& environment, std::uint32_t serial, std::uint64_t started_s) {
    Usage usage;
    usage.environment = environment;
    usage.serial = serial;
    usage.started_unix_ns = started_s * 1'000'000'000;
    usage.refusals = {{"bpf", 1, 1}};
    Budget budget;
    budget.kind = BH_BUDGET_CPU;
    budget.amount = 1'500'000'000;
    usage.budgets = {budget};
    return usage;
}

std::string unzipped(const std::string& body) {
    std::string plain(1 << 24, '\0');
    z_stream stream{};
    EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    std::string from = body;
    stream.next_in = reinterpret_cast<Bytef*>(from.data());
    stream.avail_in = static_cast<uInt>(from.size());
    stream.next_out = reinterpret_cast<Bytef*>(plain.data());
    stream.avail_out = static_cast<uInt>(plain.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    plain.resize(stream.total_out);
    inflateEnd(&stream);
    return plain;
}

agent::Page page_of(const std::vector<Usage>& all, Format format, Coding coding) {
    EnvironmentTexts texts;
    return agent::render(
        [&](const TextSink& sink) { write_environments(all, texts, format, sink); }, format,
        coding);
}

agent::Page page_of_web(Format format, Coding coding) {
    return page_of({usage("web", 1, 100)}, format, coding);
}

TEST(Accept, GivesOpenMetricsToWhoPrefersIt) {
    for (const char* wants : {
             "application/openmetrics-text",
             "application/openmetrics-text; version=1.0.0; charset=utf-8",
             "Application/OpenMetrics-Text;Version=\"1.0.0\"",
             // Prometheus 2.42, and 3
             "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
             "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
             "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
             "text/plain;version=1.0.0;q=0.5",
         })
        EXPECT_TRUE(agent::wants_openmetrics(wants)) << wants;
    for (const char* other : {
             "",
             "*/*",
             "text/plain",
             "text/plain;version=0.0.4, application/openmetrics-text;q=0.5",
             "application/openmetrics-text;version=2.0.0",
             "application/openmetrics-text;q=0",
             "application/openmetrics-text;q=nonsense",
             ",;,=,;;q",
         })
        EXPECT_FALSE(agent::wants_openmetrics(other)) << other;
}

TEST(Accept, CompressesForWhoTakesIt) {
    EXPECT_TRUE(agent::takes_gzip("gzip"));
    EXPECT_TRUE(agent::takes_gzip("deflate, GZip;q=0.5, br"));
    EXPECT_FALSE(agent::takes_gzip(""));
    EXPECT_FALSE(agent::takes_gzip("deflate"));
    EXPECT_FALSE(agent::takes_gzip("gzip;q=0"));
}

TEST(Page, IsTheSameTextCompressed) {
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
        const auto plain = page_of_web(format, Coding::kPlain);
        const auto zipped = page_of_web(format, Coding::kGzip);
        EXPECT_EQ(unzipped(zipped.body), plain.body);
        EXPECT_LT(zipped.body.size(), plain.body.size());
        EXPECT_EQ(zipped.content_type, plain.content_type);
    }
}

// As Prometheus gets it. Numbers that differ: equal ones would compress to nothing.
TEST(Page, OfAThousandEnvironmentsIsAtMostThreeMegabytes) {
    std::vector<Usage> all;
    std::uint64_t number = 1;
    const auto another = [&] { return (number = number * 6364136223846793005 + 1) >> 20; };
    for (std::uint32_t i = 1; i <= 1000; ++i) {
        Usage one = usage("environment-" + std::to_string(i), i, 1'700'000'000 + i);
        one.cpu_user_ns = another();
        one.cpu_system_ns = another();
        one.run_queue_delay_ns = another();
        for (std::uint64_t& wait : one.waits)
            wait = another() >> 20;
        one.preempted = {another() >> 20, another() >> 20, another() >> 20};
        one.memory_bytes = another();
        one.memory_peak_bytes = another();
        one.anon_bytes = another();
        one.file_bytes = another();
        one.shmem_bytes = another();
        one.kernel_bytes = another();
        one.slab_bytes = another();
        one.sock_bytes = another();
        one.memory_byte_seconds = another();
        one.faults = another();
        one.scanned_bytes = another();
        one.reclaimed_bytes = another();
        one.forks = another() >> 20;
        one.execs = another() >> 20;
        for (const bh_family family : {BH_FAMILY_IPV4, BH_FAMILY_IPV6})
            one.network[family] = {
                {another(), another()}, {another(), another()}, another() >> 20, 0};
        one.read = {another(), another()};
        one.written = {another(), another()};
        one.cpu_pressure = {another(), another()};
        one.memory_pressure = {another(), another()};
        one.io_pressure = {another(), another()};
        all.push_back(std::move(one));
    }
    const auto page = page_of(all, Format::kOpenMetrics, Coding::kGzip);
    EXPECT_GT(unzipped(page.body).size(), 1'000'000U);
    EXPECT_LE(page.body.size(), 3'000'000U);
}

TEST(Page, EndsWithEofInOpenMetricsOnly) {
    const std::string modern = page_of_web(Format::kOpenMetrics, Coding::kPlain).body;
    const std::string classic = page_of_web(Format::kText, Coding::kPlain).body;
    EXPECT_TRUE(modern.ends_with("\n# EOF\n"));
    EXPECT_EQ(classic.find("# EOF"), std::string::npos);
    EXPECT_NE(modern.find("cpu_seconds_created{environment=\"web\",mode=\"user\"} 100.000\n"),
              std::string::npos);
    EXPECT_EQ(classic.find("_created"), std::string::npos);
}

TEST(EnvironmentTexts, StayWhileTheEnvironmentLives) {
    EnvironmentTexts texts;
    EXPECT_EQ(texts.of({usage("web", 1, 100)})[0]->created.text(), "100.000\n");
    // The clock was set meanwhile.
    EXPECT_EQ(texts.of({usage("web", 1, 101)})[0]->created.text(), "100.000\n");
    // Another one of that name.
    EXPECT_EQ(texts.of({usage("web", 2, 200)})[0]->created.text(), "200.000\n");
    // Another one of that serial: the programs were loaded anew.
    const EnvironmentText* const job = texts.of({usage("job", 2, 300)})[0];
    EXPECT_EQ(job->label, "{environment=\"job\"");
    EXPECT_EQ(job->created.text(), "300.000\n");
    EXPECT_TRUE(texts.of({}).empty());
    // Forgotten: serials are not used again, but what was kept would stay for ever.
    EXPECT_EQ(texts.of({usage("web", 2, 201)})[0]->created.text(), "201.000\n");
}

TEST(Address, IsHostAndPort) {
    EXPECT_EQ(agent::parse_address("127.0.0.1:9750")->host, "127.0.0.1");
    EXPECT_EQ(agent::parse_address("[::1]:9750")->host, "::1");
    EXPECT_EQ(agent::parse_address(":0")->host, "");
    EXPECT_EQ(agent::parse_address("localhost:1")->port, "1");
    for (const char* wrong : {"", "nonsense", "9750", "127.0.0.1:", "127.0.0.1:http", "::1:9750",
                              "[::1]", "127.0.0.1:65536", "127.0.0.1:-1", "[]:1"})
        EXPECT_FALSE(agent::parse_address(wrong)) << wrong;
}

TEST(Machine, HasNoProgramsAndMapsWhenNothingIsLoaded) {
    for (const MachineFamily& one : machine_families({})) {
        EXPECT_EQ(one.family.name.find("bulkhead_program"), std::string::npos);
        EXPECT_EQ(one.family.name.find("bulkhead_map"), std::string::npos);
    }
}

TEST(Machine, CountersOfProgramsBeganWithTheLoad) {
    unsigned found = 0;
    for (const MachineFamily& one : machine_families(machine()))
        if (one.family.name.starts_with("bulkhead_program_")) {
            EXPECT_EQ(one.began_unix_s, 1000) << one.family.name;
            ++found;
        }
    EXPECT_GT(found, 0U);
}

std::string retired_text(Format format, const Retired& retired, const std::string& name) {
    std::string text;
    for (const MetricFamily& family : retired_families(retired))
        if (family.name == name)
            text = text_of(format, family, [&](const auto&) { return began_unix_s(retired); });
    return text;
}

TEST(Retired, WaitsAreAHistogramByTheSameBoundsAsThoseOfWhoLives) {
    const std::string retired_name = "bulkhead_retired_run_queue_wait_seconds";
    const std::string name = "bulkhead_environment_run_queue_wait_seconds";
    const Retired retired{{{"cpu.waits.0.count", 3},
                           {"cpu.waits.2.count", 2},
                           {"cpu.run_queue_delay_ns", 1'500'000'000}},
                          1,
                          {}};
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
        const std::string text = retired_text(format, retired, retired_name);
        const std::string all = page_of_web(format, Coding::kPlain).body;
        const std::regex bucket(name + "_bucket\\{environment=\"web\",(le=\"[^\"]+\")\\}");
        int buckets = 0;
        for (std::sregex_iterator one(all.begin(), all.end(), bucket), none; one != none; ++one) {
            const char* count = buckets < 2 ? "3" : "5";
            EXPECT_NE(text.find(retired_name + "_bucket{" + (*one)[1].str() + "} " + count + "\n"),
                      std::string::npos)
                << (*one)[1] << " in " << text;
            ++buckets;
        }
        EXPECT_EQ(buckets, BH_WAIT_BUCKETS);
        EXPECT_NE(text.find(retired_name + "_count 5\n"), std::string::npos) << text;
        EXPECT_NE(text.find(retired_name + "_sum 1.5\n"), std::string::npos) << text;
    }
}

TEST(Retired, SumsSaySinceWhenTheyCount) {
    const ledger::Totals totals = {{std::string(ledger::kBegan), 1'700'000'000'500'000'000}};
    const std::string name = "bulkhead_retired_forks_total";
    const std::string created = "bulkhead_retired_forks_created ";
    EXPECT_NE(retired_text(Format::kOpenMetrics, {totals, 1, {}}, name)
                  .find(created + "1700000000.500\n"),
              std::string::npos);
    EXPECT_EQ(retired_text(Format::kOpenMetrics, {}, name).find(created), std::string::npos)
        << "there are none yet";
    EXPECT_EQ(retired_text(Format::kText, {totals, 1, {}}, name).find("_created"),
              std::string::npos);
}

// As it does where no programs are loaded, with the ledger alone.
std::string scraped(Exporter& exporter) {
    std::string text;
    exporter.scrape(Format::kText, [&](std::string_view piece) { text += piece; });
    return text;
}

TEST(Exporter, SaysWhetherWhatEndedIsInTheLedger) {
    const tests::LedgerDirectory place("exporter");
    ASSERT_TRUE(ledger::append(place.path(), tests::ended(1)));
    ::setenv("BULKHEAD_LEDGER", place.path().c_str(), 1);
    Exporter exporter("/no/such/cgroup", "1.2.3");
    const auto says = [&](const std::string& line) {
        return scraped(exporter).find("\n" + line + "\n") != std::string::npos;
    };
    EXPECT_TRUE(says("bulkhead_ledger_up 1"));
    EXPECT_TRUE(says("bulkhead_loaded 0"));
    EXPECT_TRUE(says("bulkhead_retired_environments_total 1"));
    const std::string database = place.file("ledger.db");
    std::filesystem::rename(database, database + ".kept");
    std::ofstream(database) << std::string(4096, 'x');
    EXPECT_TRUE(says("bulkhead_ledger_up 0"));
    EXPECT_TRUE(says("bulkhead_retired_environments_total 1")) << "as of the last time";
    std::filesystem::rename(database + ".kept", database);
    EXPECT_TRUE(says("bulkhead_ledger_up 1"));
    ::unsetenv("BULKHEAD_LEDGER");
}

std::set<std::string> exported() {
    std::set<std::string> names;
    for (const EnvironmentMetric& metric : environment_metrics())
        names.insert(metric.name);
    const ledger::Totals by_class = {{"refusals.by_class.bpf", 1},
                                     {"refusals.audited_by_class.bpf", 1}};
    for (const MetricFamily& family : retired_families({by_class, 1, {}}))
        names.insert(family.name);
    for (const MachineFamily& one : machine_families(machine()))
        names.insert(one.family.name);
    return names;
}

// The names in the first column of the tables of docs/metrics.md; a row of an environment's counter
// is one of its sum, too.
std::set<std::string> described() {
    std::ifstream page(BULKHEAD_SOURCE_DIR "/docs/metrics.md");
    std::set<std::string> names;
    const std::regex name("`([a-z_]+)`");
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("| `"))
            continue;
        const std::string first = line.substr(0, line.find('|', 2));
        for (std::sregex_iterator one(first.begin(), first.end(), name), none; one != none; ++one)
            names.insert((*one)[1]);
    }
    return names;
}

TEST(Metrics, AreAllDescribedAndNothingElse) {
    const std::set<std::string> all = exported(), pages = described();
    for (const std::string& name : all)
        EXPECT_TRUE(pages.contains(name)) << name << " is not in docs/metrics.md";
    for (const std::string& name : pages)
        EXPECT_TRUE(all.contains(name)) << name << " of docs/metrics.md is not exported";
}

TEST(Metrics, HaveHelpAndBaseUnits) {
    const auto look = [](const MetricFamily& family) {
        EXPECT_FALSE(family.help.empty()) << family.name;
        EXPECT_EQ(family.name.ends_with("_total"), family.type == prometheus::MetricType::Counter)
            << family.name;
        for (const char* other : {"_ms", "_ns", "_us", "_kib", "_kb", "_mb", "_percent"})
            EXPECT_EQ(family.name.find(other), std::string::npos) << family.name;
    };
    for (const EnvironmentMetric& metric : environment_metrics())
        look({metric.name, metric.help, metric.type, {}});
    for (const MetricFamily& family : retired_families({}))
        look(family);
    for (const MachineFamily& one : machine_families(machine()))
        look(one.family);
}

}  // namespace
}  // namespace bulkhead::runtime
