// [ipc]: names become rows, and what people are told about them.
#include "runtime/policy/decide.h"
#include "runtime/policy/diff.h"
#include "runtime/policy/show.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

using policy::Policy;

__u32 acts_for(const Policy& policy, const std::string& name) {
    for (const loader::PeerRow& row : policy.rules.peers) {
        if (row.name == name)
            return row.acts;
    }
    return 0;
}

TEST(PolicyIpc, ARowForEachNameWithAllItsActs) {
    const Policy policy = compiled(
        "[ipc]\nsignal = [\"web\"]\nconnect = [\"web\", \"db\"]\nshare_memory = [\"cache\"]\n");
    ASSERT_EQ(policy.rules.peers.size(), 3U);
    EXPECT_EQ(acts_for(policy, "web"), static_cast<__u32>(BH_PEER_SIGNAL | BH_PEER_CONNECT));
    EXPECT_EQ(acts_for(policy, "db"), static_cast<__u32>(BH_PEER_CONNECT));
    EXPECT_EQ(acts_for(policy, "cache"), static_cast<__u32>(BH_PEER_SHARE_MEMORY));
    EXPECT_TRUE(policy.rules.has_rows());
    EXPECT_EQ(policy.rules.control, loader::kDefaultControl) << "no class is given up";
    EXPECT_TRUE(compiled("[ipc]\nsignal = []\n").rules.peers.empty());
}

TEST(PolicyIpc, IsKeptWhileThePolicyLearns) {
    const Policy policy = compiled("mode = \"learn\"\n[ipc]\nconnect = [\"db\"]\n");
    EXPECT_EQ(acts_for(policy, "db"), static_cast<__u32>(BH_PEER_CONNECT));
}

std::string explained(const Policy& policy, const std::string& act, const std::string& object) {
    const auto decision = policy::decide_act(policy, act, object);
    return decision ? policy::describe(policy, *decision) : decision.error().message();
}

TEST(PolicyIpc, IsExplainedWithWhatTheOtherHasToSay) {
    const Policy policy = compiled("[ipc]\nsignal = [\"web\"]\nconnect = [\"db\"]\n");
    EXPECT_EQ(explained(policy, "ipc-signal", "web"),
              "allowed by p.toml:2:11: [ipc] signal \"web\", if the policy of web names this "
              "environment likewise");
    EXPECT_EQ(explained(policy, "ipc-signal", "db"), "refused by class signal");
    EXPECT_EQ(explained(policy, "ipc-connect", "web"), "refused by class unix");
    EXPECT_EQ(explained(policy, "ipc-share-memory", "web"), "refused by class ipc");
    EXPECT_NE(explained(policy, "ipc-signal", "../web").find("is no environment's name"),
              std::string::npos);
    EXPECT_EQ(explained(compiled("allow = [\"signal\"]\n"), "ipc-signal", "web"),
              "allowed by p.toml:1:10: allow \"signal\"");
}

TEST(PolicyIpc, IsComparedByNameAndAct) {
    const auto differences =
        policy::compare(compiled("[ipc]\nsignal = [\"web\"]\n"),
                        compiled("[ipc]\nsignal = [\"web\", \"db\"]\nconnect = [\"web\"]\n"));
    EXPECT_TRUE(differences.first_only.empty());
    ASSERT_EQ(differences.second_only.size(), 2U);
    EXPECT_EQ(differences.second_only[0].act, "ipc-signal db");
    EXPECT_EQ(differences.second_only[0].by_second, "p.toml:2:18: [ipc] signal \"db\"");
    EXPECT_EQ(differences.second_only[1].act, "ipc-connect web");
}

TEST(PolicyIpc, IsShownWithEachListOfAName) {
    const Policy policy =
        compiled("extends = \"web\"\n[ipc]\nsignal = [\"db\"]\nconnect = [\"db\", \"cache\"]\n");
    const std::string text = policy::effective_text(policy);
    EXPECT_TRUE(policy::compare(policy, compiled(text)).empty()) << text;
    EXPECT_NE(text.find("[ipc]\nsignal = [\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace bulkhead::tests
