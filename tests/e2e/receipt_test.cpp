// The final usage as `run --receipt` leaves it, however the environment ended.
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/minded.h"

namespace bulkhead::tests {
namespace {

const std::string kReceipt = "/run/receipt-test.json";

nlohmann::json receipt() {
    std::ifstream file(kReceipt);
    const auto json = nlohmann::json::parse(file, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << "there is no receipt";
    return json.is_discarded() ? nlohmann::json::object() : json;
}

// In the foreground, so that its minder can be killed.
Arguments with_receipt(const std::string& name, const Arguments& command) {
    Arguments arguments = run_arguments(name, command);
    arguments.insert(arguments.begin() + 1, {"--receipt", kReceipt});
    return arguments;
}

class Receipt : public testing::Test {
protected:
    void SetUp() override { ::unlink(kReceipt.c_str()); }
};

TEST_F(Receipt, TellsTheExitCodeAndAllUsage) {
    const Outcome ended =
        run({"--name", "billed", "--receipt", kReceipt},
            {"/bin/sh", "-c",
             "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; /bin/true; /bin/true; exit 3"});
    EXPECT_EQ(ended.exit_code, 3);
    const auto json = receipt();
    EXPECT_EQ(json["environment"], "billed");
    EXPECT_EQ(json["exit"]["code"], 3);
    EXPECT_GT(json["cpu"]["total_ns"], 1'000'000);
    EXPECT_GT(json["memory"]["peak_bytes"], 4096);
    EXPECT_EQ(json["tasks"]["execs"], 3);
    EXPECT_EQ(json["out_of_memory"], false);
    EXPECT_LT(json["started"], json["ended"]);
}

TEST_F(Receipt, TellsThatMemoryRanOut) {
    const Outcome ended =
        run({"--memory", "32M", "--receipt", kReceipt}, {"/bin/sh", "-c", "tail /dev/zero; exit 5"},
            {.prepare = {}, .timeout_s = 120});
    EXPECT_EQ(ended.exit_code, 5);
    EXPECT_EQ(receipt()["out_of_memory"], true);
    EXPECT_GE(receipt()["memory"]["peak_bytes"], 30 << 20);
}

TEST_F(Receipt, TellsTheSignalThatKilledIt) {
    const Running minder(with_receipt("victim", {"/bin/sleep", "1000"}));
    ASSERT_TRUE(eventually([] { return runs("victim"); }, 30));
    const auto pid = bulkhead_json({"status", "victim"})["pid"].get<pid_t>();
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_TRUE(eventually([] { return ::access(kReceipt.c_str(), F_OK) == 0; }));
    EXPECT_EQ(receipt()["exit"]["signal"], SIGKILL);
}

// Whoever comes next takes the receipt from the kernel and writes it.
TEST_F(Receipt, IsWrittenAlsoWhenTheStarterWasKilled) {
    Running minder(with_receipt("orphan", {"/bin/sh", "-c", "sleep 2; exit 4"}));
    ASSERT_TRUE(eventually([] { return runs("orphan"); }, 30));
    minder.kill();
    EXPECT_TRUE(eventually([] {
        bulkhead({"list"});
        return ::access(kReceipt.c_str(), F_OK) == 0;
    }));
    EXPECT_EQ(receipt()["exit"]["code"], 4);
    EXPECT_GT(receipt()["cpu"]["total_ns"], 0);
}

}  // namespace
}  // namespace bulkhead::tests
