// What is asked wrongly is refused with one message that names it, before anything is left.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

namespace fs = std::filesystem;

const Arguments kTrue = {"/bin/true"};

// `run` without a template option of the suite, for tests that give their own root.
Outcome run_over(Arguments root, const Arguments& command) {
    root.insert(root.begin(), "run");
    root.emplace_back("--");
    root.insert(root.end(), command.begin(), command.end());
    return bulkhead(root);
}

TEST(BadInput, UnknownTemplate) {
    const NothingLeft nothing_left;
    expect_refused(run_over({"--template", "debian"}, kTrue), {125, {"\"debian\"", "--template"}});
}

TEST(BadInput, MissingTemplateDirectory) {
    const NothingLeft nothing_left;
    expect_refused(run_over({"--template", "/no/such/template"}, kTrue),
                   {125, {"--template", "/no/such/template", "No such file or directory"}});
}

TEST(BadInput, MissingRootfs) {
    const NothingLeft nothing_left;
    expect_refused(run_over({"--rootfs", "/no/such/root"}, kTrue),
                   {125, {"--rootfs", "/no/such/root", "No such file or directory"}});
}

TEST(BadInput, RootfsThatIsAFile) {
    const NothingLeft nothing_left;
    expect_refused(run_over({"--rootfs", "/etc/hostname"}, kTrue),
                   {125, {"/etc/hostname", "Not a directory"}});
}

TEST(BadInput, MissingMountSource) {
    const NothingLeft nothing_left;
    expect_refused(run({"--mount", "/no/such/source:/mnt"}, kTrue),
                   {125, {"--mount", "/no/such/source"}});
}

TEST(BadInput, MissingMountSourceOfAKeptEnvironment) {
    const NothingLeft nothing_left;
    expect_refused(run({"--keep", "--name", "kept", "--mount", "/no/such/source:/mnt"}, kTrue),
                   {125, {"--mount", "/no/such/source"}});
}

TEST(BadInput, NameThatIsTaken) {
    const NothingLeft nothing_left;
    const Detached first("taken", {"sleep", "600"});
    const NothingLeft nothing_of_the_second;
    expect_refused(run({"--name", "taken"}, kTrue),
                   {125, {"the name taken is taken", "bulkhead destroy taken"}});
}

TEST(BadInput, KeptNameThatIsTakenLosesNothing) {
    const NothingLeft nothing_left;
    const Detached first("taken", {"sleep", "600"});
    const NothingLeft nothing_of_the_second;
    expect_refused(run({"--keep", "--name", "taken"}, kTrue), {125, {"the name taken is taken"}});
}

TEST(BadInput, StoppingBySomethingThatIsNoSignal) {
    expect_refused(bulkhead({"stop", "none", "--signal", "SIGNONE"}),
                   {2, {"\"SIGNONE\" is no signal", "SIGRTMIN+3"}});
}

TEST(BadInput, NameWithASlash) {
    const NothingLeft nothing_left;
    expect_refused(run({"--name", "../../etc"}, kTrue), {125, {"../../etc", "letters"}});
}

TEST(BadInput, NameOfThreeHundredCharacters) {
    const NothingLeft nothing_left;
    expect_refused(run({"--name", std::string(300, 'a')}, kTrue), {125, {"name", "1 to 63"}});
}

TEST(BadInput, LimitsOfZero) {
    const NothingLeft nothing_left;
    expect_refused(run({"--memory", "0"}, kTrue), {125, {"--memory"}});
    expect_refused(run({"--cpus", "0"}, kTrue), {125, {"CPUs"}});
    expect_refused(run({"--pids", "0"}, kTrue), {125, {"--pids"}});
    expect_refused(run({"--cpu-weight", "0"}, kTrue), {125, {"--cpu-weight"}});
    expect_refused(run({"--io-weight", "0"}, kTrue), {125, {"--io-weight"}});
}

TEST(BadInput, LimitsThatAreNonsense) {
    const NothingLeft nothing_left;
    expect_refused(run({"--memory", "lots"}, kTrue), {125, {"lots", "512M"}});
    expect_refused(run({"--memory", "-1"}, kTrue), {125, {"-1"}});
    expect_refused(run({"--memory", "99999999999G"}, kTrue), {125, {"99999999999G"}});
    expect_refused(run({"--cpus", "many"}, kTrue), {125, {"many", "0.5"}});
    expect_refused(run({"--cpus", "nan"}, kTrue), {125, {"nan"}});
    expect_refused(run({"--pids", "x"}, kTrue), {125, {"--pids"}});
    expect_refused(run({"--cpu-weight", "10001"}, kTrue), {125, {"--cpu-weight", "10000"}});
}

TEST(BadInput, MemoryBelowWhatCanStart) {
    const NothingLeft nothing_left;
    expect_refused(run({"--memory", "4K"}, kTrue), {125, {"--memory"}});
}

TEST(BadInput, MemoryThatStartsNothing) {
    const NothingLeft nothing_left;
    const Outcome outcome = run({"--memory", "1M"}, {"/bin/sh", "-c", "exit 7"});
    // Whether a shell fits into 1M depends on the kernel; killed half-way is never silent.
    if (outcome.exit_code != 7 && outcome.exit_code != 137)
        expect_refused(outcome, {125, {"memory"}});
}

TEST(BadInput, CommandThatIsNotThere) {
    const NothingLeft nothing_left;
    expect_refused(run({}, {"no-such-command"}),
                   {127, {"no-such-command", "No such file or directory"}});
    expect_refused(run({}, {"/no/such/command"}), {127, {"/no/such/command"}});
}

TEST(BadInput, CommandThatCannotBeExecuted) {
    const NothingLeft nothing_left;
    expect_refused(run({}, {"/etc/passwd"}), {126, {"/etc/passwd", "Permission denied"}});
    expect_refused(run({}, {"/etc"}), {126, {"/etc"}});
}

TEST(BadInput, NoCommand) {
    const NothingLeft nothing_left;
    expect_refused(run({}, {}), {125, {"command"}});
}

TEST(BadInput, UnknownUserAndWorkdir) {
    const NothingLeft nothing_left;
    expect_refused(run({"--user", "nosuchuser"}, kTrue), {125, {"--user", "nosuchuser"}});
    expect_refused(run({"--workdir", "/no/such/dir"}, kTrue), {125, {"--workdir", "/no/such/dir"}});
}

TEST(BadInput, PolicyThatIsNotThere) {
    const NothingLeft nothing_left;
    expect_refused(run({"--policy", "/no/such/policy.toml"}, kTrue),
                   {125, {"/no/such/policy.toml"}});
    expect_refused(run({"--policy", "nosuchprofile"}, kTrue), {125, {"nosuchprofile"}});
}

TEST(BadInput, ReceiptThatCannotBeWritten) {
    const NothingLeft nothing_left;
    expect_refused(run({"--receipt", "/no/such/directory/receipt"}, kTrue),
                   {125, {"--receipt", "/no/such/directory/receipt", "No such file or directory"}});
    expect_refused(run({"--receipt", "/proc/receipt"}, kTrue),
                   {125, {"--receipt", "/proc/receipt"}});
    expect_refused(run({"--receipt", "/etc"}, kTrue), {125, {"--receipt", "/etc"}});
}

TEST(BadInput, MountsThatAreNonsense) {
    const NothingLeft nothing_left;
    for (const char* mount : {"/etc", "/etc:", ":/etc", "/etc:relative", "/etc:/mnt:rx"})
        expect_refused(run({"--mount", mount}, kTrue), {125, {"--mount"}});
    expect_refused(run({"--tmpfs", "relative"}, kTrue), {125, {"--tmpfs", "relative"}});
    expect_refused(run({"--swap", "lots"}, kTrue), {125, {"lots"}});
    expect_refused(run({"--network", "bridge"}, kTrue), {125, {"--network", "bridge"}});
}

TEST(BadInput, SettingWhatIsNotThere) {
    const Detached living("living", {"sleep", "600"});
    const NothingLeft nothing_left;
    expect_refused(bulkhead({"set", "living", "--allow", "everything"}), {2, {"everything"}});
    expect_refused(bulkhead({"set", "living", "--mode", "lax"}), {2, {"lax"}});
    expect_refused(bulkhead({"set", "ghost", "--allow", "bpf"}),
                   {1, {"no environment is named ghost"}});
}

TEST(BadInput, UnknownOptionAndCommand) {
    const NothingLeft nothing_left;
    expect_refused(run({"--no-such-option"}, kTrue), {125, {"--no-such-option", "--help"}});
    expect_refused(bulkhead({"list", "--no-such-option"}), {2, {"--no-such-option", "--help"}});
    expect_refused(bulkhead({"fly"}), {2, {"fly", "bulkhead --help"}});
    expect_refused(bulkhead({}), {2, {"bulkhead --help"}});
}

TEST(BadInput, EnvironmentThatIsNotThere) {
    const NothingLeft nothing_left;
    for (const char* command : {"status", "stop", "destroy", "why", "usage"})
        expect_refused(bulkhead({command, "ghost"}), {1, {"no environment is named ghost"}});
    expect_refused(bulkhead({"exec", "ghost", "--", "true"}),
                   {125, {"no environment is named ghost"}});
}

TEST(BadInput, StaleStateFolder) {
    const NothingLeft nothing_left;
    fs::create_directory("/run/bulkhead/stale");
    std::ofstream("/run/bulkhead/stale/environment.json") << "{ half";
    expect_refused(run({"--name", "stale"}, kTrue), {125, {"taken", "bulkhead destroy stale"}});
    const nlohmann::json listed = bulkhead_json({"list"});
    EXPECT_NE(listed.dump().find("broken"), std::string::npos) << listed;
    const Outcome destroyed = bulkhead({"destroy", "--force", "stale"});
    EXPECT_EQ(destroyed.exit_code, 0) << destroyed.err;
}

// A start that died before it wrote anything is no environment: its name is free again.
TEST(BadInput, EmptyStateFolderIsSweptAway) {
    const NothingLeft nothing_left;
    fs::create_directory("/run/bulkhead/empty");
    const Outcome outcome = run({"--name", "empty"}, kTrue);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

TEST(BadInput, AgentWithAWrongCommandLine) {
    const NothingLeft nothing_left;
    expect_refused(bulkhead({"agent", "--lsten", "127.0.0.1:19752"}), {2, {"--lsten"}});
    expect_refused(bulkhead({"agent", "now"}), {2, {"now"}});
    for (const char* address :
         {"nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "::1:9750"})
        expect_refused(bulkhead({"agent", "--listen", address}),
                       {2, {address, "is not an address and port"}});
    expect_refused(bulkhead({"agent", "--listen", "192.0.2.1:19752"}),
                   {1, {"192.0.2.1:19752", "Cannot assign", "--listen ADDRESS:PORT"}});
    expect_refused(bulkhead({"agent", "--web-config", "/no/such/file"}), {2, {"/no/such/file"}});
}

}  // namespace
}  // namespace bulkhead::tests
