// --protect: our objects, pins and processes against tasks of the host that are not ours.
#include "loader/guard.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "loader/on_demand.h"
#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/foreign.h"
#include "tests/kernel/left_out.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

#define GUARD_TEST(name, ...)         \
    PROVES(Guard, name, __VA_ARGS__); \
    TEST_F(Guard, name)

template <typename Info>
Info info_of(const std::string& pin) {
    const UniqueFd fd(bpf_obj_get(pin.c_str()));
    Info info{};
    __u32 bytes = sizeof info;
    EXPECT_EQ(bpf_obj_get_info_by_fd(fd.get(), &info, &bytes), 0) << pin;
    return info;
}

// A program that has a pin of its own, and in this tier a link that has one.
constexpr const char* kProgram = "bh_exec_code";

// Protected once for all cases, and with an agent anew after one that took it away: the programs
// come off their hooks in seconds.
class Guard : public testing::Test {
protected:
    static void TearDownTestSuite() {
        take_off();
        shared_agent.reset();
    }

    void SetUp() override {
        // Where a program of the guard is left out, a case before may have removed it.
        const auto attached = loader::attach_pinned(kProgram);
        EXPECT_TRUE(attached.has_value()) << attached.error().message();
        if (!shared_agent)
            protect();
        arm();
    }

    static void arm() { put_row(armed_row); }
    // As unprotect() begins.
    static void disarm() { put_row(bh_guard{}); }

    // All of it; the next case begins anew.
    static void take_off() {
        const auto done = loader::unprotect();
        EXPECT_TRUE(done.has_value()) << done.error().message();
        shared_agent.reset();
    }

    static bh_guard_log log() {
        const auto log = loader::read_guard_log();
        EXPECT_TRUE(log.has_value()) << log.error().message();
        return log ? *log : bh_guard_log{};
    }

    // Refused to another's executable, counted, and put down who it was.
    void expect_refused_to_others(bh_guard_hook hook, const Words& act) {
        const bh_guard_log before = log();
        EXPECT_EQ(other.act(act), EPERM) << act[0];
        const bh_guard_log after = log();
        EXPECT_GT(after.refused[hook], before.refused[hook]) << act[0];
        const auto& last = after.last[before.count % BH_GUARD_REFUSALS];
        EXPECT_STREQ(loader::guard_hook_name(last.hook), loader::guard_hook_name(hook)) << act[0];
        EXPECT_STREQ(last.comm, "other");
        EXPECT_NE(last.pid, 0U);
        EXPECT_NE(last.time_ns, 0U);
    }

    // The whole proof: also that we go on, and that without protection anybody may.
    void expect_only_ours(bh_guard_hook hook, const Words& act) {
        expect_refused_to_others(hook, act);
        EXPECT_EQ(act_by_ourselves(act), 0) << act[0] << " by ourselves";
        disarm();
        EXPECT_EQ(other.act(act), 0) << act[0] << " without protection";
        arm();
    }

    static const Copy& agent() { return *shared_agent; }

    Copy other{"other"};

private:
    static void protect() {
        shared_agent.emplace("agent");
        loader::ProtectOptions options;
        options.executables.agent = shared_agent->path();
        if (!program_left_out().empty())
            options.leave_out.push_back(program_left_out());
        const auto done = loader::protect(options);
        ASSERT_TRUE(done.has_value()) << done.error().message();
        EXPECT_EQ(*done, loader::ProtectOutcome::kProtected);
        const auto row = guard_row().find(0);
        ASSERT_TRUE(row.has_value() && *row);
        armed_row = **row;
        EXPECT_EQ(armed_row.armed, 1U);
    }

    static loader::MapView<__u32, bh_guard> guard_row() {
        auto row = loader::open_pinned_map<__u32, bh_guard>("bh_guard");
        EXPECT_TRUE(row.has_value()) << row.error().message();
        return std::move(*row);
    }

    static void put_row(const bh_guard& row) { EXPECT_TRUE(guard_row().put(0, row).has_value()); }

    static inline std::optional<Copy> shared_agent;
    static inline bh_guard armed_row{};
};

Words by_id(const char* kind, __u32 id) {
    return {kind, std::to_string(id)};
}

GUARD_TEST(MapsAreNotOpenedByTheirIds, "bh_g_map") {
    for (const char* map : {"bh_envs", "bh_meta", "bh_tasks"})
        expect_only_ours(BH_GUARD_bpf_map,
                         by_id("map", info_of<bpf_map_info>(loader::map_pin(map)).id));
    const auto own = info_of<bpf_map_info>(loader::map_pin("bh_guard_owned"));
    expect_refused_to_others(BH_GUARD_bpf_map, by_id("map", own.id));
}

GUARD_TEST(ProgramsAreNotOpenedByTheirIds, "bh_g_prog") {
    expect_only_ours(BH_GUARD_bpf_prog,
                     by_id("program", info_of<bpf_prog_info>(loader::program_pin(kProgram)).id));
    const auto own = info_of<bpf_link_info>(loader::link_pin("bh_g_prog"));
    expect_refused_to_others(BH_GUARD_bpf_prog, by_id("program", own.prog_id));
}

GUARD_TEST(LinksAreNotOpenedByTheirIds, "bh_g_bpf") {
    expect_only_ours(BH_GUARD_bpf,
                     by_id("link", info_of<bpf_link_info>(loader::link_pin(kProgram)).id));
    const auto own = info_of<bpf_link_info>(loader::link_pin("bh_g_bpf"));
    expect_refused_to_others(BH_GUARD_bpf, by_id("link", own.id));
}

GUARD_TEST(LinksThatAreMadeLaterAreOurs, "bh_g_bpf") {
    const std::string pin = loader::link_pin("bh_mmap_code");
    EXPECT_TRUE(loader::unpin_link(pin).has_value());
    EXPECT_NE(::access(pin.c_str(), F_OK), 0);
    ASSERT_TRUE(loader::attach_pinned("bh_mmap_code").has_value());
    expect_refused_to_others(BH_GUARD_bpf, by_id("link", info_of<bpf_link_info>(pin).id));
}

GUARD_TEST(PinsAreOutOfReach, "bh_g_place") {
    const std::string link = loader::link_pin(kProgram);
    for (const std::string& pin : {loader::map_pin("bh_envs"), link, loader::program_pin(kProgram)})
        expect_only_ours(BH_GUARD_inode_permission, {"pin", pin});
    expect_only_ours(BH_GUARD_inode_permission, {"list", std::string(loader::kPinRoot)});
    expect_refused_to_others(BH_GUARD_inode_permission, {"unlink", link});
    expect_refused_to_others(BH_GUARD_inode_permission, {"unlink", loader::link_pin("bh_g_place")});
    EXPECT_EQ(::access(link.c_str(), F_OK), 0) << "it is still there";
    expect_only_ours(BH_GUARD_inode_permission, {"rename", link, loader::link_pin("moved")});
    expect_only_ours(BH_GUARD_inode_permission, {"rename", link, "/sys/fs/bpf/moved"});
}

GUARD_TEST(ExecutablesAreNotWritten, "bh_g_place") {
    expect_only_ours(BH_GUARD_inode_permission, {"write", agent().path()});
}

GUARD_TEST(TracingIsNotSwitchedOff, "bh_g_place") {
    expect_only_ours(BH_GUARD_inode_permission, {"write", "/proc/sys/kernel/ftrace_enabled"});
    EXPECT_EQ(other.act({"write", "/proc/sys/kernel/sysrq"}), 0) << "what is not ours";
}

GUARD_TEST(DirectoryAndExecutablesKeepTheirNames, "bh_g_rename") {
    expect_only_ours(BH_GUARD_inode_rename,
                     {"rename", std::string(loader::kPinRoot), "/sys/fs/bpf/moved"});
    expect_only_ours(BH_GUARD_inode_rename, {"rename", agent().path(), agent().path() + ".old"});
    const std::string fresh = agent().path() + ".new";
    std::ofstream(fresh).flush();
    expect_refused_to_others(BH_GUARD_inode_rename, {"rename", fresh, agent().path()});
    EXPECT_NE(std::filesystem::file_size(agent().path()), 0U) << "it was replaced";
}

GUARD_TEST(ExecutablesAreNotRemoved, "bh_g_unlink") {
    expect_refused_to_others(BH_GUARD_inode_unlink, {"unlink", agent().path()});
    EXPECT_EQ(::access(agent().path().c_str(), F_OK), 0);
    EXPECT_EQ(other.act({"unlink", other.path()}), 0) << "what is not ours";
    disarm();
    const Copy another("another");
    EXPECT_EQ(another.act({"unlink", agent().path()}), 0) << "without protection";
    take_off();
}

// A process of `copy` that goes on until it is killed.
class Process {
public:
    explicit Process(const Copy& copy) : pid_(copy.start({"pause"})) {
        const std::string exe = "/proc/" + std::to_string(pid_) + "/exe";
        std::error_code error;
        while (std::filesystem::read_symlink(exe, error) != copy.path())
            ::usleep(1000);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] std::string pid() const { return std::to_string(pid_); }
    [[nodiscard]] bool lives() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }

private:
    pid_t pid_;
};

GUARD_TEST(TheAgentIsNotSignalled, "bh_g_kill") {
    const Process process(agent());
    expect_only_ours(BH_GUARD_task_kill, {"kill", process.pid(), std::to_string(SIGCONT)});
    expect_refused_to_others(BH_GUARD_task_kill, {"kill", process.pid(), std::to_string(SIGKILL)});
    EXPECT_TRUE(process.lives());
    const Process theirs(other);
    EXPECT_EQ(other.act({"kill", theirs.pid(), std::to_string(SIGCONT)}), 0) << "what is not ours";
}

GUARD_TEST(OurProcessesAreNotTraced, "bh_g_trace") {
    const Process process(agent());
    expect_only_ours(BH_GUARD_ptrace_access_check, {"attach", process.pid()});
    const Process theirs(other);
    EXPECT_EQ(other.act({"attach", theirs.pid()}), 0) << "what is not ours";
}

// One that allows it finds its own executable still mapped.
GUARD_TEST(NobodyBecomesOneOfUs, "bh_g_prctl") {
    const Words become = {"become", agent().path()};
    expect_refused_to_others(BH_GUARD_task_prctl, become);
    disarm();
    EXPECT_EQ(other.act(become), EBUSY);
}

// Another view of our pins' file system: the first is not put at risk.
class View {
public:
    View() {
        place_.make_directory("view");
        place_.make_directory("elsewhere");
        // Nothing moves out of a mount that is shared.
        EXPECT_EQ(::mount(nullptr, place_.path().c_str(), nullptr, MS_PRIVATE, nullptr), 0);
        EXPECT_EQ(::mount("/sys/fs/bpf", path().c_str(), nullptr, MS_BIND, nullptr), 0);
        EXPECT_EQ(::mount(nullptr, path().c_str(), nullptr, MS_PRIVATE, nullptr), 0);
    }
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() { ::umount2(path().c_str(), MNT_DETACH); }

    [[nodiscard]] std::string path() const { return place_.at("view"); }
    [[nodiscard]] std::string elsewhere() const { return place_.at("elsewhere"); }

private:
    Tmpfs place_;
};

GUARD_TEST(TheFileSystemOfPinsIsNotUnmounted, "bh_g_umount") {
    const View view;
    expect_refused_to_others(BH_GUARD_sb_umount, {"umount", view.path()});
    disarm();
    EXPECT_EQ(other.act({"umount", view.path()}), 0);
    arm();
    const View another;
    EXPECT_EQ(act_by_ourselves({"umount", another.path()}), 0);
}

GUARD_TEST(TheFileSystemOfPinsIsNotHidden, "bh_g_mount") {
    const View view;
    expect_only_ours(BH_GUARD_sb_mount, {"mount-over", view.path()});
}

GUARD_TEST(TheFileSystemOfPinsIsNotMoved, "bh_g_move") {
    const Tmpfs place;
    const View view;
    expect_only_ours(BH_GUARD_move_mount, {"move-mount", view.path(), view.elsewhere()});
}

TEST_F(Guard, WhoIsTracedIsNotOurs) {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe");
    const Words pin = {"pin", loader::map_pin("bh_envs")};
    EXPECT_EQ(act_by_ourselves(pin), 0);
    EXPECT_EQ(other.act({"trace", self, pin[0], pin[1]}), EPERM);
    disarm();
    EXPECT_EQ(other.act({"trace", self, pin[0], pin[1]}), 0);
}

TEST_F(Guard, WhoIsInAnEnvironmentIsNotOurs) {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_BPF);
    mine.allow(BH_CLASS_CAPABILITIES);
    const __u32 id = info_of<bpf_map_info>(loader::map_pin("bh_envs")).id;
    const __u64 before = log().refused[BH_GUARD_bpf_map];
    const auto open = [&] { return act_by_name(by_id("map", id)); };
    EXPECT_EQ(Actor::run(&mine, open), EPERM);
    EXPECT_GT(log().refused[BH_GUARD_bpf_map], before);
    disarm();
    EXPECT_EQ(Actor::run(&mine, open), 0);
}

TEST_F(Guard, LeavesOthersObjectsAlone) {
    const bh_guard_log before = log();
    EXPECT_EQ(other.act({"own-objects"}), 0);
    EXPECT_EQ(log().count, before.count);
}

TEST_F(Guard, ASecondOneIsANoOp) {
    const auto again = loader::protect({});
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, loader::ProtectOutcome::kAlreadyProtected);
    EXPECT_TRUE(*loader::is_protected());
    take_off();
    EXPECT_FALSE(*loader::is_protected());
    for (const std::string& name : loader::guard_program_names())
        EXPECT_NE(::access(loader::link_pin(name).c_str(), F_OK), 0) << name;
}

}  // namespace
}  // namespace bulkhead::tests
