// Where rules on paths lie, for tables of mounts as /proc/PID/mountinfo has them.
#include "runtime/tree_places.h"

#include <gtest/gtest.h>

#include <optional>
#include <sstream>

namespace bulkhead::runtime {
namespace {

constexpr std::uint32_t kRead = BH_RIGHT_READ;
constexpr std::uint32_t kAll = BH_RIGHT_READ | BH_RIGHT_WRITE | BH_RIGHT_APPEND | BH_RIGHT_EXECUTE;
constexpr DefaultRights kReadOnly{1, kRead};

constexpr const char* kMounts =
    "21 20 0:30 / / rw - overlay overlay rw\n"
    "22 21 8:1 /srv/data /mnt/my\\040data rw shared:3 - ext4 /dev/sda1 rw\n"
    "23 21 0:31 /tmp /tmp rw - tmpfs tmpfs rw\n"
    "24 21 0:31 /run /run rw - tmpfs tmpfs rw\n"
    "25 21 0:4 net:[4026531840] /run/netns/one rw - nsfs nsfs rw\n"
    "26 21 8:1 /gone//deleted /etc/hosts rw - ext4 /dev/sda1 rw\n";

constexpr std::uint32_t kOverlay = 30, kTmpfs = 31, kExt4 = 8 << 20 | 1;

struct Found {
    std::uint32_t rule;
    std::uint32_t rights;
};

// As the kernel walks: down the names as far as there are nodes.
std::optional<Found> walk(const loader::PlacedTree& tree, std::uint32_t dev,
                          const std::string& path) {
    for (const loader::PlacedRoot& root : tree.roots) {
        if (root.dev != dev)
            continue;
        std::uint32_t node = root.node;
        std::istringstream names(path);
        for (std::string name; std::getline(names, name, '/');) {
            bool is_node = false;
            for (std::uint32_t i = 0; i < tree.nodes.size() && !is_node; ++i) {
                if (i == node || tree.nodes[i].parent != node || tree.nodes[i].name != name)
                    continue;
                node = i;
                is_node = true;
            }
            if (!is_node)
                break;
        }
        return Found{tree.nodes[node].rule, tree.nodes[node].rights};
    }
    return std::nullopt;
}

loader::PlacedTree placed(const std::vector<RulePath>& rules, const char* mounts = kMounts) {
    std::uint32_t wrong = 0;
    auto tree = place(parse_mounts(mounts), rules, kReadOnly, wrong);
    EXPECT_TRUE(tree.has_value()) << tree.error().message();
    return std::move(*tree);
}

void expect_at(const loader::PlacedTree& tree, std::uint32_t dev, const std::string& path,
               std::uint32_t rule, std::uint32_t rights) {
    const auto found = walk(tree, dev, path);
    ASSERT_TRUE(found.has_value()) << path;
    EXPECT_EQ(found->rule, rule) << path;
    EXPECT_EQ(found->rights, rights) << path;
}

TEST(Mounts, AreReadWithEscapesAndWithoutNamespaces) {
    const auto mounts = parse_mounts(kMounts);
    ASSERT_EQ(mounts.size(), 5U);
    EXPECT_EQ(mounts[1].path, "/mnt/my data");
    EXPECT_EQ(mounts[1].root, "/srv/data");
    EXPECT_EQ(mounts[1].dev, kExt4);
    EXPECT_EQ(mounts[1].id, 22U);
    EXPECT_EQ(mounts[4].root, "/gone");
}

TEST(Mounts, ThatCannotBeReadAreNone) {
    EXPECT_TRUE(parse_mounts("").empty());
    EXPECT_TRUE(parse_mounts("garbage\n1 2 3\n").empty());
}

TEST(Places, AreBeneathWhatAMountShows) {
    const auto tree = placed({{"/mnt/my data/a/b", 22, 7, kAll}});
    expect_at(tree, kExt4, "srv/data/a/b", 7, kAll);
    expect_at(tree, kExt4, "srv/data/a/b/c", 7, kAll);
    expect_at(tree, kExt4, "srv/data/a", 1, kRead);
    expect_at(tree, kExt4, "srv/data", 1, kRead);
}

TEST(Places, OutsideOfWhatMountsShowGiveNothing) {
    const auto tree = placed({});
    expect_at(tree, kExt4, "srv/other", 0, 0);
    expect_at(tree, kExt4, "", 0, 0);
    expect_at(tree, kOverlay, "etc", 1, kRead);
    expect_at(tree, 0, "", 1, kRead);
}

TEST(Places, OfMountsBeneathARuleHaveItsRights) {
    const auto tree = placed({{"/mnt", 21, 7, kAll}, {"/run", 24, 8, 0}});
    expect_at(tree, kOverlay, "mnt", 7, kAll);
    expect_at(tree, kExt4, "srv/data/x", 7, kAll);
    expect_at(tree, kTmpfs, "run/x", 8, 0);
    expect_at(tree, kTmpfs, "tmp/x", 1, kRead);
}

TEST(Places, ThatTwoMountsShowHaveWhatIsNamed) {
    const char* mounts =
        "21 20 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "22 21 8:1 /srv/data /mnt rw - ext4 /dev/sda1 rw\n";
    const auto named = placed({{"/mnt", 22, 7, kAll}}, mounts);
    expect_at(named, kExt4, "srv/data/x", 7, kAll);
    expect_at(named, kExt4, "srv", 1, kRead);
    const auto both = placed({{"/mnt", 22, 7, kAll}, {"/srv/data", 21, 8, 0}}, mounts);
    expect_at(both, kExt4, "srv/data/x", 8, 0);
    const auto above = placed({{"/srv", 21, 7, kAll}}, mounts);
    expect_at(above, kExt4, "srv/other", 7, kAll);
    expect_at(above, kExt4, "srv/data/x", 1, kRead);
}

TEST(Places, TooDeepAreRefused) {
    std::string path = "/mnt/my data";
    for (int level = 2; level < BH_MAX_NODE_DEPTH; ++level)
        path += "/d";
    std::uint32_t wrong = 0;
    EXPECT_TRUE(place(parse_mounts(kMounts), {{path, 22, 7, kAll}}, kReadOnly, wrong).has_value());
    const auto refused =
        place(parse_mounts(kMounts), {{path + "/d", 22, 7, kAll}}, kReadOnly, wrong);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(wrong, 7U);
    EXPECT_NE(refused.error().message().find("33 directories deep"), std::string::npos);
}

TEST(Places, OfAMountThatWentAreRefused) {
    std::uint32_t wrong = 0;
    EXPECT_FALSE(place(parse_mounts(kMounts), {{"/x", 99, 7, kAll}}, kReadOnly, wrong).has_value());
    EXPECT_EQ(wrong, 7U);
}

}  // namespace
}  // namespace bulkhead::runtime
