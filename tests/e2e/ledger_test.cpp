// What ended is in the ledger exactly once, whoever found it ended and whoever was killed over it.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/minded.h"

namespace bulkhead::tests {
namespace {

const Arguments kShort = {"/bin/sh", "-c",
                          "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; exit 3"};
const std::string kLedger = "/run/ledger-test";

nlohmann::json receipts(const std::string& name) {
    return bulkhead_json({"receipts", name});
}

bool is_listed(const std::string& name) {
    return bulkhead_json({"list"}).dump().find('"' + name + '"') != std::string::npos;
}

// A ledger of its own for the programs that are started with it.
Setting with_ledger() {
    return {.prepare = [] { ::setenv("BULKHEAD_LEDGER", kLedger.c_str(), 1); }};
}

class Ledger : public testing::Test {
protected:
    // There is a ledger from the first time that somebody asks.
    void SetUp() override { receipts("nobody"); }
};

TEST_F(Ledger, BeginsWhenSomebodyAsks) {
    const NothingLeft nothing_left;
    EXPECT_EQ(run({"--name", "led-before"}, {"/bin/true"}, with_ledger()).exit_code, 0);
    EXPECT_NE(::access(kLedger.c_str(), F_OK), 0) << "nobody asked: nobody pays";
    EXPECT_EQ(bulkhead({"receipts"}, with_ledger()).exit_code, 0);
    EXPECT_EQ(run({"--name", "led-after"}, {"/bin/true"}, with_ledger()).exit_code, 0);
    const Outcome asked = bulkhead({"receipts", "--json"}, with_ledger());
    const auto all = nlohmann::json::parse(asked.out, nullptr, false);
    ASSERT_EQ(all.size(), 1U) << asked.out << asked.err;
    EXPECT_EQ(all[0]["environment"], "led-after");
    std::error_code ignored;
    std::filesystem::remove_all(kLedger, ignored);
}

TEST_F(Ledger, HasWhatRanInTheForeground) {
    const NothingLeft nothing_left;
    const std::string file = "/run/ledger-receipt.json";
    EXPECT_EQ(run({"--name", "led-front", "--receipt", file}, kShort).exit_code, 3);
    const auto stored = receipts("led-front");
    ASSERT_EQ(stored.size(), 1U);
    EXPECT_EQ(stored[0]["exit"]["code"], 3);
    EXPECT_EQ(stored[0]["exact"], true);
    EXPECT_GT(stored[0]["cpu"]["total_ns"], 1'000'000);
    EXPECT_GE(stored[0]["tasks"]["execs"], 1);
    EXPECT_LT(stored[0]["started"], stored[0]["ended"]);
    std::ifstream written(file);
    const auto own = nlohmann::json::parse(written, nullptr, false);
    EXPECT_EQ(own["cpu"], stored[0]["cpu"]) << "the file and the ledger are of one reading";
    ::unlink(file.c_str());
}

TEST_F(Ledger, HasADetachedOneOnceAlsoAfterItIsDestroyed) {
    const NothingLeft nothing_left;
    {
        const Detached kept("led-kept", kShort);
        EXPECT_TRUE(eventually([] { return receipts("led-kept").size() == 1; }, 30));
        bulkhead({"list"});
    }
    EXPECT_EQ(receipts("led-kept").size(), 1U);
}

TEST_F(Ledger, HasWhatWasDestroyedWhileItRan) {
    const NothingLeft nothing_left;
    { const Detached running("led-forced", {"/bin/sleep", "1000"}); }
    const auto stored = receipts("led-forced");
    ASSERT_EQ(stored.size(), 1U);
    EXPECT_EQ(stored[0]["exit"]["signal"], SIGKILL);
}

TEST_F(Ledger, HasEachOnceWhoeverIsKilledAtWhateverMoment) {
    const NothingLeft nothing_left;
    std::mt19937 random(20261124);
    constexpr int kTimes = 12;
    int before_the_end = 0;
    for (int i = 0; i < kTimes; ++i) {
        const std::string name = "led-killed-" + std::to_string(i);
        Running minder(run_arguments(name, {"/bin/sleep", "1000"}));
        ASSERT_TRUE(eventually([&] { return runs(name); }, 30));
        ::kill(bulkhead_json({"status", name}).at("pid").get<pid_t>(), SIGKILL);
        ::usleep(std::uniform_int_distribution<useconds_t>(0, 20'000)(random));
        minder.kill();
        before_the_end += ::access(("/run/bulkhead/" + name).c_str(), F_OK) == 0 ? 1 : 0;
        EXPECT_TRUE(eventually([&] { return !is_listed(name); })) << name;
        EXPECT_EQ(receipts(name).size(), 1U) << name;
    }
    std::printf("%d of %d were swept by a later command\n", before_the_end, kTimes);
    const auto all = receipts("");
    for (const auto& one : all)
        EXPECT_EQ(
            receipts(one["environment"]).size(),
            static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& other) {
                return other["environment"] == one["environment"];
            })));
}

// Those who store are killed, too.
TEST_F(Ledger, HasEachOnceWhenReceiptsIsKilled) {
    std::mt19937 random(20261125);
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(run({"--name", "led-storing"}, {"/bin/true"}).exit_code, 0);
        Running storing({"receipts", "--json"});
        ::usleep(std::uniform_int_distribution<useconds_t>(0, 40'000)(random));
        storing.kill();
    }
    EXPECT_EQ(receipts("led-storing").size(), 8U);
}

TEST_F(Ledger, FiltersAndPrintsCsv) {
    EXPECT_EQ(run({"--name", "led-csv"}, {"/bin/true"}).exit_code, 0);
    const Outcome csv = bulkhead({"receipts", "led-csv", "--csv", "--since", "1h"});
    EXPECT_EQ(csv.exit_code, 0) << csv.err;
    EXPECT_TRUE(csv.out.starts_with("environment,started,ended,boot,loaded_ns,serial,")) << csv.out;
    EXPECT_NE(csv.out.find("\r\nled-csv,"), std::string::npos) << csv.out;
    EXPECT_EQ(bulkhead_json({"receipts", "led-csv", "--until", "1h"}).size(), 0U);
    EXPECT_EQ(bulkhead({"receipts", "--since", "yesterday"}).exit_code, 2);
    EXPECT_EQ(bulkhead({"receipts", "--csv", "--json"}).exit_code, 2);
}

class BadLedger : public testing::Test {
protected:
    void SetUp() override {
        ::mkdir(kLedger.c_str(), 0700);
        ASSERT_EQ(::mount("none", kLedger.c_str(), "tmpfs", 0, "size=256k"), 0);
    }
    void TearDown() override {
        ::umount2(kLedger.c_str(), MNT_DETACH);
        ::rmdir(kLedger.c_str());
    }
    static std::size_t stored(const std::string& name) {
        const Outcome got = bulkhead({"receipts", name, "--json"}, with_ledger());
        EXPECT_EQ(got.exit_code, 0) << got.err;
        return nlohmann::json::parse(got.out, nullptr, false).size();
    }
    static void expect_refused(const std::string& what) {
        const Outcome got = bulkhead({"receipts"}, with_ledger());
        EXPECT_EQ(got.exit_code, 1);
        EXPECT_NE(got.err.find(what), std::string::npos) << got.err;
        EXPECT_EQ(got.out, "");
    }
};

// Another program's transaction, until this ends.
class Locked {
public:
    explicit Locked(const std::string& folder) : locker_(::popen(command(folder).c_str(), "w")) {
        EXPECT_TRUE(eventually([&] { return ::access((folder + "/locked").c_str(), F_OK) == 0; }));
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() { ::pclose(locker_); }

private:
    static std::string command(const std::string& folder) {
        return "python3 -c 'import sqlite3, sys\n"
               "base = sqlite3.connect(\"" +
               folder +
               "/ledger.db\", isolation_level=None)\n"
               "base.execute(\"BEGIN EXCLUSIVE\")\n"
               "open(\"" +
               folder +
               "/locked\", \"w\").close()\n"
               "sys.stdin.read()'";
    }

    FILE* locker_;
};

TEST_F(BadLedger, ThatIsLockedLosesNothing) {
    EXPECT_EQ(run({"--name", "led-locked"}, {"/bin/true"}, with_ledger()).exit_code, 0);
    EXPECT_EQ(stored("led-locked"), 1U);
    {
        const Locked locked(kLedger);
        EXPECT_EQ(run({"--name", "led-locked"}, {"/bin/true"}, with_ledger()).exit_code, 0);
        expect_refused("locked by another program");
    }
    EXPECT_EQ(stored("led-locked"), 2U);
}

TEST_F(BadLedger, OnAFullDiskLosesNothing) {
    const NothingLeft nothing_left;
    { std::ofstream(kLedger + "/ballast") << std::string(1 << 20, 'x'); }
    const Outcome ended = run({"--name", "led-full"}, {"/bin/true"}, with_ledger());
    EXPECT_EQ(ended.exit_code, 125) << "its usage could not be stored";
    EXPECT_NE(ended.err.find("No space left on device"), std::string::npos) << ended.err;
    EXPECT_NE(ended.err.find("make room"), std::string::npos) << ended.err;
    ::unlink((kLedger + "/ballast").c_str());
    EXPECT_EQ(stored("led-full"), 1U) << "it waited in the kernel";
}

TEST_F(BadLedger, FromANewerVersionOrDamagedIsOneClearErrorAndLosesNothing) {
    EXPECT_EQ(run({"--name", "led-bad"}, {"/bin/true"}, with_ledger()).exit_code, 0);
    EXPECT_EQ(stored("led-bad"), 1U);
    const std::string database = kLedger + "/ledger.db";
    {
        // The version that a program gives its file lies in the header, most significant byte
        // first.
        const UniqueFd file(::open(database.c_str(), O_RDWR | O_CLOEXEC));
        ASSERT_EQ(::pwrite(file.get(), "\0\0\0\x7f", 4, 60), 4);
    }
    EXPECT_EQ(run({"--name", "led-bad"}, {"/bin/true"}, with_ledger()).exit_code, 0);
    expect_refused("written by a newer bulkhead");
    { std::ofstream(database) << std::string(8192, 'x'); }
    expect_refused("is damaged");
    ASSERT_EQ(::rename(database.c_str(), (database + ".damaged").c_str()), 0);
    EXPECT_EQ(stored("led-bad"), 1U) << "of the two, the one that was not stored yet";
}

TEST(Bill, IsOfReceiptsAndRunningUsageAndAddsUp) {
    const NothingLeft nothing_left;
    const std::string prices = "/run/bill-test.toml";
    std::ofstream(prices) << "currency = \"EUR\"\ndigits = 9\n[prices]\ncpu = \"36 per cpu-hour\"\n"
                          << "starts = \"1 per one\"\n";
    EXPECT_EQ(bulkhead({"receipts"}).exit_code, 0) << "from here on there is a ledger";
    {
        EXPECT_EQ(run({"--name", "bill-ended"}, kShort).exit_code, 3);
        const Detached running("bill-running", {"/bin/sleep", "1000"});
        const auto bill = bulkhead_json({"bill", "--prices", prices, "--period", "1h/2100-01-01"});
        std::int64_t sum = 0;
        int mine = 0;
        const auto nano = [](const nlohmann::json& amount) {
            std::string text = amount.get<std::string>();
            text.erase(text.find('.'), 1);
            return std::stoll(text);
        };
        for (const auto& line : bill["lines"]) {
            sum += nano(line["amount"]);
            EXPECT_EQ(nano(line["amount"]),
                      nano(line["items"][0]["amount"]) + nano(line["items"][1]["amount"]));
            // 36 an hour: ten nanounits for a thousand nanoseconds.
            EXPECT_EQ(nano(line["items"][0]["amount"]),
                      (line["items"][0]["used"].get<std::int64_t>() * 10 + 500) / 1000);
            if (line["environment"] == "bill-ended") {
                ++mine;
                EXPECT_EQ(line["standing"], "ended");
                EXPECT_EQ(line["items"][0]["used"], receipts("bill-ended")[0]["cpu"]["total_ns"]);
            }
            if (line["environment"] == "bill-running") {
                ++mine;
                EXPECT_EQ(line["standing"], "running");
            }
        }
        EXPECT_EQ(mine, 2) << bill.dump(2);
        EXPECT_EQ(sum, nano(bill["amount"]));
        const auto used =
            bulkhead_json({"receipts", "bill-ended", "--period", "1h/2100-01-01"})["receipts"];
        ASSERT_EQ(used.size(), 1U);
        EXPECT_EQ(used[0]["cpu"]["total_ns"], receipts("bill-ended")[0]["cpu"]["total_ns"]);
        const Outcome csv = bulkhead({"receipts", "--period", "1h/2100-01-01", "--csv"});
        EXPECT_NE(csv.out.find("\r\nbill-running,"), std::string::npos) << csv.out << csv.err;
        EXPECT_EQ(bulkhead({"receipts", "--period", "2026", "--since", "1h"}).exit_code, 2);
    }
    std::ofstream(prices) << "currency = \"EUR\"\n[prices]\ncpu = \"1 per fortnight\"\n";
    const Outcome refused = bulkhead({"bill", "--prices", prices, "--period", "2026-11"});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_NE(refused.err.find(prices + ":3:7: [prices] cpu: the unit fortnight"),
              std::string::npos)
        << refused.err;
    ::unlink(prices.c_str());
}

}  // namespace
}  // namespace bulkhead::tests
