// What commands of `exec` used: a receipt each, once, whoever is killed over it, when the last
// process that came of it is gone.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <random>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

const std::string kReceipt = "/run/exec-receipt-test.json";
const Arguments kIdle = {"/bin/sleep", "1000"};
// Runs until somebody makes the file.
const std::string kUntilTold = "while [ ! -e /tmp/told ]; do sleep 0.05; done; ";

bool has_receipt() {
    return ::access(kReceipt.c_str(), F_OK) == 0;
}

nlohmann::json receipt() {
    std::ifstream file(kReceipt);
    const auto json = nlohmann::json::parse(file, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << "there is no receipt";
    return json.is_discarded() ? nlohmann::json::object() : json;
}

Arguments exec(const std::string& name, const std::string& script) {
    return {"exec", "--receipt", kReceipt, name, "--", "/bin/sh", "-c", script};
}

nlohmann::json stored(const std::string& name) {
    return bulkhead_json({"receipts", name, "--execs"});
}

std::size_t times_stored(const std::string& name, std::uint64_t number) {
    const auto all = stored(name);
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& one) { return one["exec"] == number; }));
}

nlohmann::json running(const std::string& name) {
    return bulkhead_json({"usage", name, "--execs"}).at("execs");
}

// One whose command could not be executed has no receipt.
bool has_executed(const std::string& name) {
    const auto all = running(name);
    return all.size() == 1 && all[0]["tasks"]["execs"] != 0;
}

void tell(const std::string& name) {
    EXPECT_EQ(bulkhead({"exec", name, "--", "/bin/touch", "/tmp/told"}).exit_code, 0);
}

class Exec : public testing::Test {
protected:
    // There is a ledger from the first time that somebody asks.
    void SetUp() override {
        ::unlink(kReceipt.c_str());
        stored("nobody");
    }
    void TearDown() override { ::unlink(kReceipt.c_str()); }
};

TEST_F(Exec, HasAReceiptOfItsOwn) {
    const NothingLeft nothing_left;
    {
        const Detached subject("ex-own", kIdle);
        EXPECT_EQ(bulkhead(exec("ex-own",
                                "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
                                "/bin/true; mount -t tmpfs none /mnt; exit 3"))
                      .exit_code,
                  3);
        const auto json = receipt();
        EXPECT_EQ(json["environment"], "ex-own");
        EXPECT_EQ(json["command"], "sh");
        EXPECT_EQ(json["exit"]["code"], 3);
        EXPECT_EQ(json["exact"], true);
        EXPECT_GT(json["cpu"]["total_ns"], 1'000'000);
        EXPECT_EQ(json["cpu"]["total_ns"].get<std::uint64_t>(),
                  json["cpu"]["user_ns"].get<std::uint64_t>() +
                      json["cpu"]["system_ns"].get<std::uint64_t>());
        EXPECT_EQ(json["tasks"]["current"], 0);
        EXPECT_EQ(json["tasks"]["execs"], 3);
        EXPECT_EQ(json["tasks"]["forks"], 2);
        EXPECT_GE(json["tasks"]["peak"], 2);
        EXPECT_GT(json["refusals"]["total"], 0) << "mount is refused";
        EXPECT_GT(json["memory"]["largest_process_bytes"], 4096);
        EXPECT_LT(json["started"], json["ended"]);
        for (const auto& unmetered :
             {json["memory"]["current_bytes"], json["memory"]["peak_bytes"]})
            EXPECT_TRUE(unmetered.is_null());
        const auto all = stored("ex-own");
        ASSERT_EQ(all.size(), 1U);
        EXPECT_EQ(all[0]["cpu"], json["cpu"]) << "the file and the ledger are of one reading";
        EXPECT_TRUE(running("ex-own").empty());
    }
    const auto environment = bulkhead_json({"receipts", "ex-own"});
    ASSERT_EQ(environment.size(), 1U) << "that of the exec is none of an environment";
    EXPECT_GT(environment[0]["cpu"]["total_ns"].get<std::uint64_t>(),
              stored("ex-own")[0]["cpu"]["total_ns"].get<std::uint64_t>());
    const Outcome csv = bulkhead({"receipts", "ex-own", "--execs", "--csv"});
    EXPECT_NE(csv.out.find("\r\nex-own,"), std::string::npos) << csv.out;
    EXPECT_NE(bulkhead({"receipts", "ex-own", "--execs"}).out.find("sh"), std::string::npos);
}

TEST_F(Exec, LastsAsLongAsWhatItDetached) {
    const NothingLeft nothing_left;
    const Detached subject("ex-detached", kIdle);
    EXPECT_EQ(bulkhead(exec("ex-detached",
                            "(setsid sh -c '" + kUntilTold + "' >/dev/null 2>&1 &) ; exit 5"))
                  .exit_code,
              5);
    EXPECT_FALSE(has_receipt()) << "one of it lives";
    const auto lives = running("ex-detached");
    ASSERT_EQ(lives.size(), 1U);
    EXPECT_GE(lives[0]["tasks"]["current"], 1);
    EXPECT_EQ(lives[0]["command"], "sh");
    EXPECT_EQ(times_stored("ex-detached", lives[0]["exec"]), 0U);
    EXPECT_NE(bulkhead({"usage", "ex-detached", "--execs"}).out.find("exec "), std::string::npos);
    tell("ex-detached");
    EXPECT_TRUE(eventually(
        [] {
            bulkhead({"list"});
            return has_receipt();
        },
        60));
    EXPECT_EQ(receipt()["exit"]["code"], 5);
    EXPECT_EQ(receipt()["exec"], lives[0]["exec"]);
    EXPECT_GE(receipt()["cpu"]["total_ns"].get<std::uint64_t>(),
              lives[0]["cpu"]["total_ns"].get<std::uint64_t>());
    EXPECT_EQ(times_stored("ex-detached", lives[0]["exec"]), 1U);
    EXPECT_TRUE(running("ex-detached").empty());
}

// No process of ours is there when its last one ends.
TEST_F(Exec, HasItsReceiptAlsoWhenItsClientWasKilled) {
    const NothingLeft nothing_left;
    const Detached subject("ex-killed", kIdle);
    {
        Running client(exec("ex-killed", kUntilTold + "exit 4"));
        ASSERT_TRUE(eventually([] { return running("ex-killed").size() == 1; }, 30));
        client.kill();
    }
    ASSERT_EQ(running("ex-killed").size(), 1U) << "it goes on";
    const std::uint64_t number = running("ex-killed")[0]["exec"];
    tell("ex-killed");
    EXPECT_TRUE(eventually(
        [] {
            bulkhead({"list"});
            return has_receipt();
        },
        60));
    EXPECT_EQ(receipt()["exit"]["code"], 4);
    EXPECT_EQ(receipt()["exact"], true);
    EXPECT_EQ(times_stored("ex-killed", number), 1U);
}

TEST_F(Exec, IsStoredOnceWhoeverIsKilledAtWhateverMoment) {
    const NothingLeft nothing_left;
    const Detached subject("ex-storm", kIdle);
    std::mt19937 random(20261130);
    constexpr int kTimes = 12;
    int left_over = 0;
    for (int i = 0; i < kTimes; ++i) {
        Running client(exec("ex-storm", "exec sleep 1000"));
        ASSERT_TRUE(eventually([] { return has_executed("ex-storm"); }, 30));
        const auto one = running("ex-storm")[0];
        ::kill(one["pid"].get<pid_t>(), SIGKILL);
        ::usleep(std::uniform_int_distribution<useconds_t>(0, 20'000)(random));
        client.kill();
        left_over += has_receipt() ? 0 : 1;
        EXPECT_TRUE(eventually([&] { return times_stored("ex-storm", one["exec"]) == 1; }, 30));
        EXPECT_TRUE(running("ex-storm").empty());
        ::unlink(kReceipt.c_str());
    }
    std::printf("%d of %d were left to a later command\n", left_over, kTimes);
    const auto all = stored("ex-storm");
    for (const auto& one : all)
        EXPECT_EQ(times_stored("ex-storm", one["exec"]), 1U) << one["exec"];
}

TEST_F(Exec, EndsWithItsEnvironment) {
    const NothingLeft nothing_left;
    {
        const Detached subject("ex-gone", kIdle);
        Running client(exec("ex-gone", kUntilTold));
        ASSERT_TRUE(eventually([] { return has_executed("ex-gone"); }, 30));
    }
    EXPECT_TRUE(eventually([] { return stored("ex-gone").size() == 1; }));
    EXPECT_EQ(stored("ex-gone")[0]["exit"]["signal"], SIGKILL);
    EXPECT_EQ(stored("ex-gone")[0]["exact"], true);
    EXPECT_EQ(bulkhead_json({"receipts", "ex-gone"}).size(), 1U);
}

TEST_F(Exec, ThatFailedToStartHasNone) {
    const NothingLeft nothing_left;
    const Detached subject("ex-failed", kIdle);
    expect_refused(bulkhead({"exec", "--receipt", kReceipt, "ex-failed", "--", "/no/such"}),
                   {127, {"/no/such"}});
    EXPECT_FALSE(has_receipt());
    EXPECT_TRUE(running("ex-failed").empty());
    EXPECT_TRUE(stored("ex-failed").empty());
    expect_refused(
        bulkhead({"exec", "--receipt", "/no/such/directory/r", "ex-failed", "--", "/bin/true"}),
        {125, {"--receipt", "/no/such/directory"}});
    EXPECT_EQ(bulkhead({"usage", "--execs"}).exit_code, 2);
    expect_refused(bulkhead({"usage", "nobody", "--execs"}), {1, {"nobody"}});
}

}  // namespace
}  // namespace bulkhead::tests
