#include "runtime/policy.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "loader/environments.h"

namespace bulkhead::runtime {
namespace {

// A policy file for as long as it lives.
class PolicyFile {
public:
    explicit PolicyFile(const std::string& text) { std::ofstream(path_) << text; }
    PolicyFile(const PolicyFile&) = delete;
    PolicyFile& operator=(const PolicyFile&) = delete;
    ~PolicyFile() { std::remove(path_.c_str()); }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_ = testing::TempDir() + "policy_test.toml";
};

std::string error_of(const std::string& text) {
    const PolicyFile file(text);
    const auto control = load_policy(file.path());
    return control ? "no error" : control.error().message();
}

TEST(Policy, ProfilesAreByName) {
    EXPECT_EQ(*load_policy("default"), loader::kDefaultControl);
    EXPECT_EQ(BH_CONTROL_MODE(*load_policy("audit")), BH_MODE_AUDIT);
    EXPECT_EQ(load_policy("none").error().fault(), Fault::kUsage);
}

TEST(Policy, AFileSaysModeAndAllowedClasses) {
    const PolicyFile file("mode = \"audit\"\nallow = [\"bpf\", \"perf\"]\n");
    const auto control = load_policy(file.path());
    ASSERT_TRUE(control.has_value()) << control.error().message();
    EXPECT_EQ(BH_CONTROL_MODE(*control), BH_MODE_AUDIT);
    EXPECT_FALSE(BH_CONTROL_REFUSES(*control, BH_CLASS_BPF));
    EXPECT_FALSE(BH_CONTROL_REFUSES(*control, BH_CLASS_PERF));
    EXPECT_TRUE(BH_CONTROL_REFUSES(*control, BH_CLASS_MOUNTS));
    EXPECT_EQ(BH_CONTROL_GENERATION(*control), 1U);
}

TEST(Policy, MistakesNameFileLineAndColumn) {
    EXPECT_NE(error_of("mode = \"audit\"\nallwo = []\n").find("policy_test.toml:2:"),
              std::string::npos);
    EXPECT_NE(error_of("allow = [\"bpf\",\n \"pref\"]\n").find(":2:2: no class is named \"pref\""),
              std::string::npos);
    EXPECT_NE(error_of("mode = \"lax\"").find(":1:8"), std::string::npos);
    EXPECT_NE(error_of("mode = ").find(":1:"), std::string::npos);
}

TEST(Policy, AMissingFileIsAnError) {
    EXPECT_FALSE(load_policy("/no/such/policy.toml").has_value());
}

}  // namespace
}  // namespace bulkhead::runtime
