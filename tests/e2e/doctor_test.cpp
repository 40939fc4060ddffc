// doctor on a machine that can: it says so, proves it by trying, and leaves nothing behind.
#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>

#include "bpf/wire.h"
#include "loader/coverage.h"
#include "loader/pins.h"
#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"
#include "tests/e2e/refused.h"

namespace bulkhead::tests {
namespace {

TEST(Doctor, FindsEverythingThatIsNeededEffective) {
    const NothingLeft nothing_left;
    const Outcome outcome = bulkhead({"doctor"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out;
    EXPECT_EQ(outcome.err, "");
    EXPECT_NE(outcome.out.find("can fence, limit and meter"), std::string::npos) << outcome.out;
}

TEST(Doctor, SaysTheSameAsJson) {
    const nlohmann::json document = bulkhead_json({"doctor"});
    EXPECT_TRUE(document.at("can_enforce").get<bool>());
    EXPECT_FALSE(document.at("kernel").get<std::string>().empty());
    const auto names_group = [&](const char* group) {
        return std::count_if(
            document.at("checks").begin(), document.at("checks").end(),
            [&](const nlohmann::json& check) { return check.at("group") == group; });
    };
    unsigned enforced = 0;
    for (unsigned id = 0; id < BH_CLASS_COUNT; ++id)
        enforced += loader::is_enforced(static_cast<bh_class>(id)) ? 1 : 0;
    EXPECT_EQ(names_group("fence"), enforced + 2);  // and who owns what, and protection
    for (const char* group : {"kernel", "limits", "view", "meters"})
        EXPECT_GT(names_group(group), 0) << group;
    for (const nlohmann::json& check : document.at("checks")) {
        EXPECT_FALSE(check.at("why").get<std::string>().empty()) << check;
        EXPECT_EQ(check.at("effective").get<bool>(), check.at("remedy").get<std::string>().empty())
            << check;
    }
}

TEST(Doctor, SaysWhichBeancountersTakeNoBound) {
    const nlohmann::json document = bulkhead_json({"doctor"});
    for (const char* names : {"kmemsize,shmpages,lockedpages,dcachesize", "nummnt", "privvmpages",
                              "tcpsndbuf,tcprcvbuf,othersockbuf,dgramrcvbuf", "numiptent"}) {
        const auto row = doctor_row(document, names);
        EXPECT_FALSE(row.at("effective").get<bool>()) << row;
        const std::string name = names;
        // What doctor says is not there is refused.
        expect_refused(run({"--beancounter", name.substr(0, name.find(',')) + "=1"}, {"true"}),
                       {125, {name.substr(0, name.find(',')) + " has no limit of its own"}});
    }
    const std::string all = document.dump();
    EXPECT_EQ(all.find("\"numfile"), std::string::npos) << "it takes one";
}

// The link is held here meanwhile: nothing has to be loaded again.
TEST(Doctor, FindsALoadedProgramThatSomebodyTookOut) {
    const NothingLeft nothing_left;
    const std::string pin = loader::link_pin("bh_task_kill");
    const UniqueFd link(bpf_obj_get(pin.c_str()));
    ASSERT_EQ(::unlink(pin.c_str()), 0);
    const Outcome outcome = bulkhead({"doctor"});
    EXPECT_EQ(outcome.exit_code, 3);
    EXPECT_NE(outcome.out.find("attach lsm/task_kill: No such file or directory (it was loaded"),
              std::string::npos)
        << outcome.out;
    EXPECT_NE(outcome.out.find("bulkhead unload && bulkhead load"), std::string::npos);
    EXPECT_EQ(bpf_obj_pin(link.get(), pin.c_str()), 0);
    EXPECT_EQ(bulkhead({"doctor"}).exit_code, 0);
}

}  // namespace
}  // namespace bulkhead::tests
