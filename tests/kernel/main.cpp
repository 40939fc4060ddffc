// The hooks themselves, without namespaces: two labelled processes in the guest's own namespaces,
// so that a refusal can only come from the programs.
//
//   kernel_tests [--without PROGRAM] [gtest flags]
//   kernel_tests --list-programs KERNEL   those that a guest of KERNEL shall try to leave out
//   kernel_tests --leave-out-each DIR     those named in DIR/programs; the results go to DIR
//   kernel_tests --list-techniques        rows of the table in docs/threat-model.md
//   kernel_tests --act NAME ARGUMENT…     an act by an executable of its own; exits with the errno
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "loader/on_demand.h"
#include "loader/programs.h"
#include "tests/kernel/escape/technique.h"
#include "tests/kernel/foreign.h"
#include "tests/kernel/keeper.h"
#include "tests/kernel/left_out.h"
#include "tests/kernel/proofs.h"

namespace {

class LoadedPrograms : public testing::Environment {
public:
    explicit LoadedPrograms(bulkhead::loader::LoadOptions options) : options_(std::move(options)) {}

    void SetUp() override {
        const auto loaded = bulkhead::loader::load(options_);
        ASSERT_TRUE(loaded.has_value()) << loaded.error().message();
        ASSERT_EQ(*loaded, bulkhead::loader::LoadOutcome::kLoaded)
            << "programs of an earlier run are in the kernel";
        // One that is left out cannot be asked for: its own cases are to say so.
        if (std::any_of(options_.leave_out.begin(), options_.leave_out.end(),
                        bulkhead::loader::is_on_demand))
            return;
        const auto kept = bulkhead::tests::keep_programs();
        ASSERT_TRUE(kept.has_value()) << kept.error().message();
    }

    void TearDown() override {
        const auto gone = bulkhead::tests::let_programs_go();
        EXPECT_TRUE(gone.has_value()) << gone.error().message();
        const auto unloaded = bulkhead::loader::unload();
        EXPECT_TRUE(unloaded.has_value()) << unloaded.error().message();
    }

private:
    bulkhead::loader::LoadOptions options_;
};

int list_programs(const std::string& kernel) {
    for (const std::string& name : bulkhead::tests::programs_to_leave_out(kernel))
        std::puts(name.c_str());
    return 0;
}

int leave_out_each(const std::string& directory) {
    std::ifstream list(directory + "/programs");
    std::vector<std::string> programs;
    for (std::string name; std::getline(list, name);)
        programs.push_back(name);
    const auto done = bulkhead::tests::leave_out_each(programs, directory);
    if (!done)
        std::fprintf(stderr, "kernel_tests: %s\n", done.error().message().c_str());
    return done ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    bulkhead::loader::LoadOptions options;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--without") == 0 && i + 1 < argc) {
            options.leave_out.emplace_back(argv[++i]);
        } else if (std::strcmp(argv[i], "--list-techniques") == 0) {
            std::fputs(bulkhead::tests::technique_rows().c_str(), stdout);
            return 0;
        } else if (std::strcmp(argv[i], "--list-programs") == 0 && i + 1 < argc) {
            return list_programs(argv[i + 1]);
        } else if (std::strcmp(argv[i], "--act") == 0) {
            return bulkhead::tests::act_by_name({argv + i + 1, argv + argc});
        } else if (std::strcmp(argv[i], "--leave-out-each") == 0 && i + 1 < argc) {
            return leave_out_each(argv[i + 1]);
        } else {
            std::fprintf(stderr, "kernel_tests: unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    testing::AddGlobalTestEnvironment(new LoadedPrograms(options));
    return RUN_ALL_TESTS();
}
