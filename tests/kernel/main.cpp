// The hooks themselves, without namespaces: two labelled processes in the guest's own namespaces,
// so that a refusal can only come from the programs.
//
//   kernel_tests [--without PROGRAM] [--list-programs] [--cases-for PROGRAM] [--list-techniques]
//                [gtest flags]
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "loader/programs.h"
#include "tests/kernel/escape/technique.h"
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
    }

    void TearDown() override {
        const auto unloaded = bulkhead::loader::unload();
        EXPECT_TRUE(unloaded.has_value()) << unloaded.error().message();
    }

private:
    bulkhead::loader::LoadOptions options_;
};

// As a gtest filter; an empty line when nothing proves the program.
void print_cases(const std::string& program) {
    std::string filter;
    for (const std::string& test_case : bulkhead::tests::cases_for(program))
        filter += (filter.empty() ? "" : ":") + test_case;
    std::puts(filter.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    bulkhead::loader::LoadOptions options;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--without") == 0 && i + 1 < argc) {
            options.leave_out.emplace_back(argv[++i]);
        } else if (std::strcmp(argv[i], "--list-programs") == 0) {
            for (const std::string& name : bulkhead::tests::proved_programs())
                std::puts(name.c_str());
            return 0;
        } else if (std::strcmp(argv[i], "--cases-for") == 0 && i + 1 < argc) {
            print_cases(argv[i + 1]);
            return 0;
        } else if (std::strcmp(argv[i], "--list-techniques") == 0) {
            std::fputs(bulkhead::tests::technique_rows().c_str(), stdout);
            return 0;
        } else {
            std::fprintf(stderr, "kernel_tests: unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    testing::AddGlobalTestEnvironment(new LoadedPrograms(options));
    return RUN_ALL_TESTS();
}
