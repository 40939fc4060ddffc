#include "runtime/spec.h"

#include <gtest/gtest.h>

namespace bulkhead::runtime {
namespace {

EnvironmentSpec valid_spec() {
    EnvironmentSpec spec;
    spec.name = "web";
    spec.process.argv = {"/bin/true"};
    return spec;
}

TEST(Spec, NamesAreOneToSixtyThreeHarmlessCharacters) {
    for (const char* good : {"a", "web-1", "A_b.c", "0"})
        EXPECT_TRUE(validate_name(good).has_value()) << good;
    EXPECT_TRUE(validate_name(std::string(63, 'x')).has_value());
    for (const char* bad : {"", ".hidden", "-x", "a/b", "a b", "ä", ".."})
        EXPECT_FALSE(validate_name(bad).has_value()) << bad;
    EXPECT_FALSE(validate_name(std::string(64, 'x')).has_value());
}

TEST(Spec, GeneratedNamesAreValidAndDiffer) {
    const std::string first = generate_name();
    EXPECT_TRUE(validate_name(first).has_value());
    EXPECT_NE(first, generate_name());
}

TEST(Spec, BytesHaveBinaryUnits) {
    EXPECT_EQ(*parse_bytes("512"), 512U);
    EXPECT_EQ(*parse_bytes("4K"), 4096U);
    EXPECT_EQ(*parse_bytes("512M"), 512ULL << 20);
    EXPECT_EQ(*parse_bytes("2g"), 2ULL << 30);
    for (const char* bad : {"", "M", "1.5G", "-1", "12X", "12MB", "99999999999T"})
        EXPECT_EQ(parse_bytes(bad).error().fault(), Fault::kUsage) << bad;
}

TEST(Spec, CpusAreThousandths) {
    EXPECT_EQ(*parse_cpus("0.5"), 500U);
    EXPECT_EQ(*parse_cpus("2"), 2000U);
    for (const char* bad : {"", "0", "-1", "two", "1,5", "nan", "1e9"})
        EXPECT_EQ(parse_cpus(bad).error().fault(), Fault::kUsage) << bad;
}

TEST(Spec, MountsNameSourceAndDestination) {
    const auto mount = parse_mount("/srv/data:/data:ro");
    ASSERT_TRUE(mount.has_value());
    EXPECT_EQ(mount->source, "/srv/data");
    EXPECT_EQ(mount->destination, "/data");
    EXPECT_EQ(mount->access, MountAccess::kReadOnly);
    EXPECT_EQ(parse_mount("/a:/b")->access, MountAccess::kReadWrite);
    EXPECT_FALSE(parse_mount("/a").has_value());
    EXPECT_FALSE(parse_mount("/a:/b:exec").has_value());
}

TEST(Spec, AValidOneHasACommandAndSaneLimits) {
    EXPECT_TRUE(validate(valid_spec()).has_value());
    EnvironmentSpec spec = valid_spec();
    spec.process.argv.clear();
    EXPECT_FALSE(validate(spec).has_value());
    spec = valid_spec();
    spec.limits.memory_bytes = 4096;
    EXPECT_FALSE(validate(spec).has_value());
    spec = valid_spec();
    spec.limits.cpu_weight = 0;
    EXPECT_FALSE(validate(spec).has_value());
}

TEST(Spec, DestinationsStayBelowTheRoot) {
    for (const char* bad : {"/", "data", "/a/../../etc", ""}) {
        EnvironmentSpec spec = valid_spec();
        spec.mounts.push_back({"/srv", bad, MountAccess::kReadOnly});
        EXPECT_FALSE(validate(spec).has_value()) << bad;
        spec = valid_spec();
        spec.tmpfs.emplace_back(bad);
        EXPECT_FALSE(validate(spec).has_value()) << bad;
    }
}

}  // namespace
}  // namespace bulkhead::runtime
