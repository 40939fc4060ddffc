// The installed program as its users meet it. The first environment loads the programs and makes
// what stays on a machine: the parent cgroup, the state folder, the mask of the host's secrets.
#include <cstdio>
#include <cstring>

#include "tests/e2e/bulkhead.h"
#include "tests/kernel/escape/technique.h"

namespace {

class UsedMachine : public testing::Environment {
public:
    void SetUp() override {
        const auto first =
            bulkhead::tests::run({}, {"/bin/true"}, {.prepare = {}, .timeout_s = 120});
        ASSERT_EQ(first.exit_code, 0) << first.err;
    }
    void TearDown() override {
        const auto unloaded = bulkhead::tests::bulkhead({"unload"});
        EXPECT_EQ(unloaded.exit_code, 0) << unloaded.err;
    }
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc == 2 && std::strcmp(argv[1], "--list-techniques") == 0) {
        std::fputs(bulkhead::tests::technique_rows().c_str(), stdout);
        return 0;
    }
    if (argc > 1) {
        std::fprintf(stderr, "e2e_tests: unknown argument %s\n", argv[1]);
        return 2;
    }
    testing::AddGlobalTestEnvironment(new UsedMachine);
    return RUN_ALL_TESTS();
}
