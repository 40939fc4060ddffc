// The ways out of an environment that have a name: what each is, and the two locks in its way.
// The table in docs/threat-model.md is printed from what is registered here.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bpf/wire.h"

namespace bulkhead::tests {

struct SecondLock {
    bh_hook hook;
    bh_class class_id;
};

struct Technique {
    const char* group;
    const char* name;
    // What stops it in a whole environment before any program of ours is asked.
    const char* first_lock;
    // The hook that refuses it where only the label is left; of several the one that this kernel
    // has. None: the first lock is alone.
    std::vector<SecondLock> second_lock = {};
    const char* kernels = "6.1 6.12 7.2";
};

// Puts the technique into the table. Made by ESCAPE.
const Technique* enlist(Technique technique);

// A row of the table for each technique of this binary.
std::string technique_rows();

}  // namespace bulkhead::tests

// A case of the suite Escape about the technique {group, name, first lock, {second locks}}, which
// its body knows as `technique`.
#define ESCAPE(id, ...)                                                       \
    static void escape_##id(const ::bulkhead::tests::Technique& technique);   \
    static const ::bulkhead::tests::Technique* const technique_##id =         \
        ::bulkhead::tests::enlist(::bulkhead::tests::Technique{__VA_ARGS__}); \
    TEST(Escape, id) {                                                        \
        escape_##id(*technique_##id);                                         \
    }                                                                         \
    static void escape_##id([[maybe_unused]] const ::bulkhead::tests::Technique& technique)
