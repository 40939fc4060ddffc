// Which mapping would be code that its task can write.
#include "bpf/decide_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace bulkhead {
namespace {

constexpr __u64 kReadExecute = PROT_READ | PROT_EXEC;
constexpr __u64 kAll = kReadExecute | PROT_WRITE;

TEST(Memory, WhatIsNotExecutableIsNotAsked) {
    EXPECT_FALSE(bh_mapping_is_writable_code(PROT_READ | PROT_WRITE, MAP_SHARED, 1));
    EXPECT_FALSE(bh_change_is_writable_code(PROT_READ | PROT_WRITE, BH_VM_WRITE, 1));
}

TEST(Memory, ANewMappingIsCodeThatCanBeWritten) {
    EXPECT_TRUE(bh_mapping_is_writable_code(kAll, MAP_PRIVATE, 0));
    EXPECT_TRUE(bh_mapping_is_writable_code(kReadExecute, MAP_SHARED, 1));
    EXPECT_TRUE(bh_mapping_is_writable_code(kReadExecute, MAP_SHARED_VALIDATE, 1));
    EXPECT_FALSE(bh_mapping_is_writable_code(kReadExecute, MAP_SHARED, 0));
    EXPECT_FALSE(bh_mapping_is_writable_code(kReadExecute, MAP_PRIVATE, 1)) << "a copy, unwritten";
}

TEST(Memory, AChangeKnowsWhatTheMappingWas) {
    EXPECT_TRUE(bh_change_is_writable_code(kAll, 0, 0));
    EXPECT_TRUE(bh_change_is_writable_code(kReadExecute, BH_VM_WRITE, 0));
    EXPECT_TRUE(bh_change_is_writable_code(kReadExecute, 0, 1));
    EXPECT_TRUE(bh_change_is_writable_code(kReadExecute, BH_VM_SHARED | BH_VM_MAYWRITE, 0));
    EXPECT_FALSE(bh_change_is_writable_code(kReadExecute, BH_VM_SHARED, 0));
    EXPECT_FALSE(bh_change_is_writable_code(kReadExecute, BH_VM_MAYWRITE, 0));
}

}  // namespace
}  // namespace bulkhead
