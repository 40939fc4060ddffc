// Which case proves which program: a case that proves a program fails when it is left out.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace bulkhead::tests {

// Registers the case (as Suite.Name) for the programs. Made by PROVES and FENCE_TEST.
class Proof {
public:
    Proof(const char* test_case, std::initializer_list<const char*> programs);
};

// The cases that prove `program`; empty when there is none.
std::vector<std::string> cases_for(const std::string& program);

// The kernel of the matrix on which most programs are left out.
inline constexpr const char* kProvingKernel = "6.12";

// Programs that a guest of `kernel` shall try to leave out: on kProvingKernel all that it loads, on
// others only those that kProvingKernel does not have. With a proof or without.
std::vector<std::string> programs_to_leave_out(const std::string& kernel);

}  // namespace bulkhead::tests

#define PROVES(suite, name, ...) \
    static const ::bulkhead::tests::Proof proof_of_##suite##_##name(#suite "." #name, {__VA_ARGS__})

// A case of the suite Fence and the programs that it proves.
#define FENCE_TEST(name, ...)         \
    PROVES(Fence, name, __VA_ARGS__); \
    TEST(Fence, name)
