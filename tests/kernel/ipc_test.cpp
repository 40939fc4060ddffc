// System V IPC and keys: an object belongs to the environment whose task made it.
#include <linux/keyctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <thread>

#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

using namespace std::chrono_literals;

constexpr int kMode = 0600;

int new_segment() {
    return ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | kMode);
}

int new_semaphore() {
    return ::semget(IPC_PRIVATE, 1, IPC_CREAT | kMode);
}

int new_queue() {
    return ::msgget(IPC_PRIVATE, IPC_CREAT | kMode);
}

int attach(int segment) {
    void* at = ::shmat(segment, nullptr, SHM_RDONLY);
    if (reinterpret_cast<std::intptr_t>(at) == -1)
        return errno;
    return outcome(::shmdt(at));
}

long add_key(const char* name, int keyring) {
    return ::syscall(SYS_add_key, "user", name, "v", 1, keyring);
}

int describe_key(long key) {
    std::array<char, 128> text{};
    return outcome(::syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, text.data(), text.size()));
}

// Objects are freed after a grace period, keys by a worker.
bool owns_nothing_soon() {
    for (int i = 0; i < 200; ++i) {
        if (owned_objects() == 0)
            return true;
        std::this_thread::sleep_for(50ms);
    }
    return false;
}

FENCE_TEST(RefusesForeignSharedMemory, "bh_ipc_perm") {
    const int segment = new_segment();
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_ipc_permission, BH_CLASS_IPC, EACCES},
                   [&] { return attach(segment); });
    EXPECT_EQ(mine.last_refusal().object[1], static_cast<__u64>(segment));
    ::shmctl(segment, IPC_RMID, nullptr);
}

FENCE_TEST(RefusesForeignSharedMemoryControl, "bh_shmctl") {
    const int segment = new_segment();
    shmid_ds known{};
    ASSERT_EQ(::shmctl(segment, IPC_STAT, &known), 0);
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_shm_shmctl, BH_CLASS_IPC, EPERM}, [&] {
        shmid_ds same = known;
        return outcome(::shmctl(segment, IPC_SET, &same));
    });
    EXPECT_EQ(Actor::run(&mine, [&] { return outcome(::shmctl(segment, IPC_RMID, nullptr)); }),
              EPERM);
    EXPECT_EQ(::shmctl(segment, IPC_RMID, nullptr), 0) << "it is still there";
}

FENCE_TEST(RefusesForeignSemaphoreControl, "bh_semctl") {
    const int semaphore = new_semaphore();
    semid_ds known{};
    ASSERT_EQ(::semctl(semaphore, 0, IPC_STAT, &known), 0);
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_sem_semctl, BH_CLASS_IPC, EPERM}, [&] {
        semid_ds same = known;
        return outcome(::semctl(semaphore, 0, IPC_SET, &same));
    });
    ::semctl(semaphore, 0, IPC_RMID);
}

FENCE_TEST(RefusesForeignQueueControl, "bh_msgctl") {
    const int queue = new_queue();
    msqid_ds known{};
    ASSERT_EQ(::msgctl(queue, IPC_STAT, &known), 0);
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_msg_queue_msgctl, BH_CLASS_IPC, EPERM}, [&] {
        msqid_ds same = known;
        return outcome(::msgctl(queue, IPC_SET, &same));
    });
    ::msgctl(queue, IPC_RMID, nullptr);
}

FENCE_TEST(OwnsItsSharedMemoryUntilItIsGone, "bh_shm_alloc", "bh_shm_free") {
    BareEnvironment mine("mine");
    ASSERT_TRUE(owns_nothing_soon());
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const int segment = new_segment();
                             return outcome(segment) | attach(segment) |
                                    outcome(::shmctl(segment, IPC_RMID, nullptr));
                         }),
              0);
    EXPECT_TRUE(owns_nothing_soon());
}

FENCE_TEST(OwnsItsSemaphoresUntilTheyAreGone, "bh_sem_alloc", "bh_sem_free") {
    BareEnvironment mine("mine");
    ASSERT_TRUE(owns_nothing_soon());
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const int semaphore = new_semaphore();
                             return outcome(semaphore) |
                                    outcome(::semctl(semaphore, 0, SETVAL, 1)) |
                                    outcome(::semctl(semaphore, 0, IPC_RMID));
                         }),
              0);
    EXPECT_TRUE(owns_nothing_soon());
}

FENCE_TEST(OwnsItsQueuesUntilTheyAreGone, "bh_msg_alloc", "bh_msg_free") {
    BareEnvironment mine("mine");
    ASSERT_TRUE(owns_nothing_soon());
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const int queue = new_queue();
                             const long message[2] = {1, 0};
                             return outcome(queue) |
                                    outcome(::msgsnd(queue, message, 8, IPC_NOWAIT)) |
                                    outcome(::msgctl(queue, IPC_RMID, nullptr));
                         }),
              0);
    EXPECT_TRUE(owns_nothing_soon());
}

TEST(Fence, RefusesWhatItCannotRecordAndCountsIt) {
    const auto map = loader::open_pinned_map<__u64, bh_label>("bh_objects");
    ASSERT_TRUE(map.has_value());
    ASSERT_TRUE(owns_nothing_soon());
    for (__u64 key = 1; key <= BH_MAX_OBJECTS; ++key)
        ASSERT_TRUE(map->put(key, bh_label{0, 1}).has_value()) << key;
    BareEnvironment mine("mine");
    const int error = Actor::run(&mine, [] { return outcome(new_segment()); });
    for (__u64 key = 1; key <= BH_MAX_OBJECTS; ++key)
        ASSERT_TRUE(map->erase(key).has_value());
    EXPECT_EQ(error, ENOSPC);
    EXPECT_EQ(mine.state().internal, 1U);
    EXPECT_NE(mine.last_refusal().flags & BH_REFUSAL_INTERNAL, 0);
}

FENCE_TEST(RefusesKeysOfTheHost, "bh_key_perm") {
    const long key = add_key("bulkhead-host", KEY_SPEC_USER_KEYRING);
    ASSERT_GT(key, 0) << errno;
    BareEnvironment mine("mine");
    expect_refused(mine, {BH_HOOK_key_permission, BH_CLASS_KEYS, EPERM},
                   [&] { return describe_key(key); });
    ::syscall(SYS_keyctl, KEYCTL_UNLINK, key, KEY_SPEC_USER_KEYRING);
}

FENCE_TEST(OwnsItsKeysUntilTheyAreGone, "bh_key_alloc", "bh_key_free") {
    BareEnvironment mine("mine");
    ASSERT_TRUE(owns_nothing_soon());
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const long key = add_key("own", KEY_SPEC_PROCESS_KEYRING);
                             return outcome(key) | describe_key(key);
                         }),
              0);
    EXPECT_TRUE(owns_nothing_soon());
}

}  // namespace
}  // namespace bulkhead::tests
