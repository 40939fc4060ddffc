#include "tests/kernel/escape/attack.h"

#include "loader/refusals.h"
#include "runtime/explain.h"
#include "tests/kernel/fixtures.h"

namespace bulkhead::tests {
namespace {

void expect_success(const Attack& attack) {
    EXPECT_EQ(Actor::run(nullptr, attack.act), 0) << "the control failed";
    EXPECT_TRUE(!attack.effect || attack.effect()) << "the control had no effect";
    if (attack.undo)
        attack.undo();
    EXPECT_FALSE(attack.effect && attack.effect()) << "the effect of the control was not undone";
}

void expect_explained(BareEnvironment& environment, const SecondLock& lock,
                      const std::string& object) {
    const bh_refusal row = environment.last_refusal_by(lock.hook);
    EXPECT_STREQ(loader::class_name(row.class_id), loader::class_name(lock.class_id));
    EXPECT_EQ(row.flags, 0);
    const std::string described = runtime::describe_object(row);
    EXPECT_NE(described.find(object), std::string::npos) << described << " is not " << object;
}

}  // namespace

SecondLock lock_of(const Technique& technique) {
    // Asking for a hook reads all of the kernel's types.
    if (technique.second_lock.size() == 1)
        return technique.second_lock.front();
    for (const SecondLock& lock : technique.second_lock)
        if (has_hook(loader::hook_name(lock.hook)))
            return lock;
    ADD_FAILURE() << technique.name << " has no second lock on this kernel";
    return {};
}

void expect_stopped(const Technique& technique, BareEnvironment& environment,
                    const Attack& attack) {
    SCOPED_TRACE(technique.name);
    expect_success(attack);

    const SecondLock lock = lock_of(technique);
    for (const bh_class class_id : attack.passing)
        environment.allow(class_id);
    const __u64 before = environment.state().refused[lock.class_id];
    EXPECT_EQ(Actor::run(&environment, attack.act), attack.error) << "it was not refused";
    EXPECT_FALSE(attack.effect && attack.effect()) << "it left an effect";
    EXPECT_GT(environment.state().refused[lock.class_id], before) << "it was not counted";
    expect_explained(environment, lock, attack.object);
}

void expect_stopped(const Technique& technique, const Attack& attack) {
    BareEnvironment mine("mine");
    expect_stopped(technique, mine, attack);
}

}  // namespace bulkhead::tests
