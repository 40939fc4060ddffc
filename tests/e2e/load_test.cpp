// load and unload: once, again, while environments live, with pins of another version.
#include <bpf/bpf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "loader/environments.h"
#include "loader/held_links.h"
#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

TEST(Load, ASecondOneIsANoOp) {
    ASSERT_EQ(bulkhead({"load"}).exit_code, 0);
    const NothingLeft nothing_left;
    const Outcome again = bulkhead({"load"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(again.out, "loaded already\n");
}

std::vector<__u32> pinned_links() {
    std::vector<__u32> ids;
    for (const loader::HeldLink& link : loader::hold_pinned_links())
        ids.push_back(link.id);
    EXPECT_FALSE(ids.empty());
    return ids;
}

// When `unload` returns nothing decides any more: the kernel drops links later than their pins.
void expect_nothing_left(const std::vector<__u32>& links) {
    for (const __u32 link : links)
        EXPECT_EQ(bpf_link_get_fd_by_id(link), -ENOENT) << link;
    EXPECT_NE(::access(std::string(loader::kPinRoot).c_str(), F_OK), 0);
}

void pin(const UniqueFd& object, const std::string& path) {
    EXPECT_GE(object.get(), 0) << path;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    EXPECT_EQ(bpf_obj_pin(object.get(), path.c_str()), 0) << path;
}

// Where nothing is loaded: a program on its hook that a bulkhead of another wire version left.
void pin_foreign_program() {
    const __u32 zero = 0, version = BH_WIRE_VERSION + 1;
    const UniqueFd meta(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "bh_meta", sizeof zero, sizeof version, 1, nullptr));
    EXPECT_EQ(bpf_map_update_elem(meta.get(), &zero, &version, BPF_ANY), 0);
    pin(meta, loader::map_pin("bh_meta"));
    std::array<bpf_insn, 2> return_zero{};
    return_zero[0].code = BPF_ALU64 | BPF_MOV | BPF_K;
    return_zero[1].code = BPF_JMP | BPF_EXIT;
    const UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "bh_foreign", "GPL",
                                         return_zero.data(), return_zero.size(), nullptr));
    pin(UniqueFd(bpf_raw_tracepoint_open("sched_process_fork", program.get())),
        loader::link_pin("bh_foreign"));
}

TEST(Load, UnloadTakesEverythingOutAlsoOfAnotherWireVersion) {
    const auto links = pinned_links();
    auto opened_before = loader::Environments::open();
    ASSERT_TRUE(opened_before.has_value()) << opened_before.error().message();
    EXPECT_EQ(bulkhead_json({"unload"}), (nlohmann::json{{"loaded", false}, {"changed", true}}));
    expect_nothing_left(links);
    const Outcome again = bulkhead({"unload"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(again.out, "nothing is loaded\n");
    EXPECT_EQ(bulkhead_json({"unload"}), (nlohmann::json{{"loaded", false}, {"changed", false}}));
    pin_foreign_program();
    const auto foreign = pinned_links();
    expect_refused(run({}, {"/bin/true"}), {125, {"wire version", "bulkhead unload"}});
    EXPECT_EQ(bulkhead_json({"unload"}), (nlohmann::json{{"loaded", false}, {"changed", true}}));
    expect_nothing_left(foreign);
    // `run` loads by itself.
    EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
    EXPECT_EQ(bulkhead_json({"load"}),
              (nlohmann::json{{"loaded", true}, {"changed", false}, {"protected", false}}));
    // A start that came in between does not end up in maps that no program looks at.
    const auto late = opened_before->reserve("late");
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code(), ENOENT);
}

TEST(Load, UnloadIsRefusedWhileEnvironmentsLive) {
    const NothingLeft nothing_left;
    const Detached living("living", {"sleep", "600"});
    expect_refused(bulkhead({"unload"}), {1, {"1 environment", "bulkhead list"}});
    EXPECT_EQ(bulkhead({"status", "living"}).exit_code, 0);
}

// The pin of bh_meta replaced, as long as this lives, by a map whose row has `bytes` bytes and
// begins with `version`: what a bulkhead of another version left in the kernel.
class ForeignMeta {
public:
    ForeignMeta(__u32 version, __u32 bytes) {
        EXPECT_EQ(::rename(pin_.c_str(), aside_.c_str()), 0);
        const UniqueFd map(
            bpf_map_create(BPF_MAP_TYPE_ARRAY, "bh_meta", sizeof(__u32), bytes, 1, nullptr));
        std::vector<unsigned char> row(bytes, 0xff);
        std::memcpy(row.data(), &version, sizeof version);
        const __u32 zero = 0;
        EXPECT_EQ(bpf_map_update_elem(map.get(), &zero, row.data(), BPF_ANY), 0);
        EXPECT_EQ(bpf_obj_pin(map.get(), pin_.c_str()), 0);
    }
    ForeignMeta(const ForeignMeta&) = delete;
    ForeignMeta& operator=(const ForeignMeta&) = delete;
    ~ForeignMeta() {
        ::unlink(pin_.c_str());
        ::rename(aside_.c_str(), pin_.c_str());  // not there when everything was unloaded
    }

private:
    std::string pin_ = loader::map_pin("bh_meta");
    std::string aside_ = loader::map_pin("meta_aside");
};

void expect_foreign(const std::string& version) {
    const std::vector<std::string> named = {version, "bulkhead unload"};
    expect_refused(run({}, {"/bin/true"}), {125, named});
    for (const Arguments& command : {Arguments{"load"},
                                     {"list"},
                                     {"usage"},
                                     {"status", "x"},
                                     {"why", "x"},
                                     {"stop", "x"},
                                     {"destroy", "x"},
                                     {"set", "x", "--allow", "bpf"}})
        expect_refused(bulkhead(command), {1, named});
    expect_refused(bulkhead({"exec", "x", "--", "/bin/true"}), {125, named});
}

TEST(Load, AnotherWireVersionIsRefusedWithWhatReplacesIt) {
    ASSERT_EQ(bulkhead({"load"}).exit_code, 0);
    const NothingLeft nothing_left;
    for (const __u32 bytes : {4U, 16U, static_cast<__u32>(sizeof(bh_meta)), 4096U}) {
        const ForeignMeta newer(BH_WIRE_VERSION + 1, bytes);
        expect_foreign("wire version " + std::to_string(BH_WIRE_VERSION + 1));
    }
}

TEST(Load, TheSameWireVersionWithAnotherLayoutIsRefused) {
    ASSERT_EQ(bulkhead({"load"}).exit_code, 0);
    const NothingLeft nothing_left;
    const ForeignMeta other(BH_WIRE_VERSION, sizeof(bh_meta) + 8);
    expect_foreign("another layout");
}

TEST(Load, ProgramsOfAnotherWireVersionStayWhileTheyFence) {
    const Detached living("living", {"sleep", "600"});
    const ForeignMeta newer(BH_WIRE_VERSION + 1, 512);
    expect_refused(bulkhead({"unload"}), {1, {"another wire version", "bulkhead destroy NAME"}});
}

}  // namespace
}  // namespace bulkhead::tests
