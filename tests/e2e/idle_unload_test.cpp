// The programs go when nobody needs them, and not before: a task that was moved out of its
// environment's cgroup still does.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "loader/held_links.h"
#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/agent.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

constexpr int kPatienceSeconds = 240;  // links go one after the other

// The first process of an environment, moved out of its cgroup and left there when the environment
// was destroyed.
class Moved {
public:
    Moved() {
        const Detached environment("left", {"sleep", "600"});
        pid_ = bulkhead_json({"status", "left"}).at("pid").get<pid_t>();
        std::filesystem::create_directory(kCgroup);
        std::ofstream(std::string(kCgroup) + "/cgroup.procs") << pid_;
    }
    Moved(const Moved&) = delete;
    Moved& operator=(const Moved&) = delete;
    ~Moved() { end(); }

    void end() {
        std::ofstream(std::string(kCgroup) + "/cgroup.kill") << "1";
        EXPECT_TRUE(eventually([] { return ::rmdir(kCgroup) == 0 || errno == ENOENT; }));
    }

    [[nodiscard]] std::string name() const {
        return "process " + std::to_string(pid_) + " (sleep)";
    }

private:
    static constexpr const char* kCgroup = "/sys/fs/cgroup/moved";
    pid_t pid_ = 0;
};

// What the processes that are started while this lives write to standard error.
class Said {
public:
    Said() : before_(::dup(STDERR_FILENO)) {
        const UniqueFd file(
            ::open(kFile, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
        ::dup2(file.get(), STDERR_FILENO);
    }
    Said(const Said&) = delete;
    Said& operator=(const Said&) = delete;
    ~Said() { ::dup2(before_.get(), STDERR_FILENO); }

    [[nodiscard]] static std::size_t times(std::string_view what) {
        std::ifstream file(kFile);
        const std::string text(std::istreambuf_iterator<char>(file), {});
        std::size_t found = 0;
        for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
            ++found;
        return found;
    }

private:
    static constexpr const char* kFile = "/run/said";
    UniqueFd before_;
};

// Programs of ours that the kernel has.
std::vector<std::string> our_programs() {
    std::vector<std::string> names;
    for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
        const UniqueFd program(bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        __u32 bytes = sizeof info;
        if (program && bpf_obj_get_info_by_fd(program.get(), &info, &bytes) == 0 &&
            std::string_view(info.name).starts_with("bh_"))
            names.emplace_back(info.name);
    }
    return names;
}

bool nothing_is_loaded() {
    return ::access(std::string(loader::kPinRoot).c_str(), F_OK) != 0 && our_programs().empty();
}

std::map<std::string, double> retired(const std::map<std::string, double>& samples) {
    std::map<std::string, double> sums;
    for (const auto& [name, value] : samples)
        if (name.starts_with("bulkhead_retired_"))
            sums[name] = value;
    return sums;
}

TEST(Load, UnloadIsRefusedWhileAMovedTaskHasALabel) {
    ASSERT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    const NothingLeft nothing_left;
    const Moved moved;
    EXPECT_EQ(bulkhead_json({"list"}).size(), 0U);
    expect_refused(bulkhead({"unload"}), {1, {moved.name(), "kill -KILL"}});
    expect_refused(bulkhead({"unload", "--force"}), {1, {moved.name(), "kill -KILL"}});
    // As a timer asks.
    const Outcome asked = bulkhead({"unload", "--idle"});
    EXPECT_EQ(asked.exit_code, 0) << asked.err;
    EXPECT_NE(asked.out.find(moved.name()), std::string::npos) << asked.out;
    EXPECT_EQ(bulkhead_json({"unload", "--idle"}),
              (nlohmann::json{{"loaded", true}, {"changed", false}}));
    EXPECT_FALSE(loader::hold_pinned_links().empty());
}

TEST(Load, TheAgentUnloadsWhenNobodyHasALabel) {
    ASSERT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    const std::string ended = "bulkhead_retired_environments_total";
    std::map<std::string, double> loaded, unloaded;
    {
        Moved moved;
        const Said said;
        const Agent agent({"--idle-unload", "1h", "--idle-unload", "1s"});
        EXPECT_TRUE(eventually([&] { return said.times(moved.name()) != 0; }, kPatienceSeconds));
        EXPECT_FALSE(our_programs().empty());
        loaded = scrape();
        EXPECT_EQ(loaded["bulkhead_loaded"], 1);
        EXPECT_GE(loaded[ended], 1);
        moved.end();
        EXPECT_TRUE(eventually(nothing_is_loaded, kPatienceSeconds));
        EXPECT_TRUE(eventually([&] { return said.times("the programs are unloaded") == 1; }));
        EXPECT_EQ(said.times(moved.name()), 1U);
        unloaded = scrape();
        EXPECT_EQ(unloaded["bulkhead_up"], 1);
        EXPECT_EQ(unloaded["bulkhead_loaded"], 0);
        EXPECT_EQ(retired(unloaded), retired(loaded));
    }
    EXPECT_NE(bulkhead({"events", "--json"}).out.find(R"("event":"unloaded","cause":"idle")"),
              std::string::npos);
    // The next one loads them, and is in the same sums.
    EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    EXPECT_FALSE(our_programs().empty());
    const Agent agent;
    auto again = scrape();
    EXPECT_EQ(again["bulkhead_loaded"], 1);
    EXPECT_EQ(again[ended], unloaded[ended] + 1);
    for (const auto& [name, sum] : retired(unloaded))
        EXPECT_GE(again[name], sum) << name << " went back";
}

TEST(Load, TheAgentRefusesWhatIsNoTimeToUnloadAfter) {
    expect_refused(bulkhead({"agent", "--idle-unload", "soon"}), {2, {"\"soon\"", "never"}});
}

}  // namespace
}  // namespace bulkhead::tests
