// load and unload: once, again, while environments live, with pins of another version.
#include <bpf/bpf.h>
#include <unistd.h>

#include "bpf/wire.h"
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

TEST(Load, UnloadTakesEverythingOut) {
    ASSERT_EQ(bulkhead({"unload"}).exit_code, 0);
    EXPECT_NE(::access(std::string(loader::kPinRoot).c_str(), F_OK), 0);
    const Outcome again = bulkhead({"unload"});
    EXPECT_EQ(again.exit_code, 0) << again.err;
    EXPECT_EQ(again.out, "nothing is loaded\n");
    // `run` loads by itself.
    EXPECT_EQ(run({}, {"/bin/true"}).exit_code, 0);
}

TEST(Load, UnloadIsRefusedWhileEnvironmentsLive) {
    const NothingLeft nothing_left;
    const Detached living("living", {"sleep", "600"});
    expect_refused(bulkhead({"unload"}), {1, {"1 environment", "bulkhead list"}});
    EXPECT_EQ(bulkhead({"status", "living"}).exit_code, 0);
}

void write_version(__u32 version) {
    const UniqueFd map(bpf_obj_get(loader::map_pin("bh_meta").c_str()));
    ASSERT_TRUE(map);
    bh_meta meta{};
    const __u32 zero = 0;
    ASSERT_EQ(bpf_map_lookup_elem(map.get(), &zero, &meta), 0);
    meta.wire_version = version;
    ASSERT_EQ(bpf_map_update_elem(map.get(), &zero, &meta, BPF_ANY), 0);
}

TEST(Load, AnotherWireVersionIsRefusedWithWhatReplacesIt) {
    const NothingLeft nothing_left;
    write_version(BH_WIRE_VERSION + 1);
    expect_refused(bulkhead({"load"}), {1, {"wire version", "bulkhead unload"}});
    expect_refused(run({}, {"/bin/true"}), {125, {"wire version", "bulkhead unload"}});
    write_version(BH_WIRE_VERSION);
}

}  // namespace
}  // namespace bulkhead::tests
