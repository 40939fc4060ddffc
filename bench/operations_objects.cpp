#include <linux/keyctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <string>

#include "bench/operations.h"

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

// The kernel's semctl reads its fourth argument through this union; libc does not declare it.
union SemaphoreArgument {
    int value;
    semid_ds* state;
};

Act shm_stat() {
    const int id = ::shmget(IPC_PRIVATE, 4096, 0600);
    ::shmctl(id, IPC_RMID, nullptr);  // unused segments stay until the last user is gone
    const int kept = ::shmget(IPC_PRIVATE, 4096, 0600);
    void* const attached = ::shmat(kept, nullptr, 0);
    (void)attached;
    ::shmctl(kept, IPC_RMID, nullptr);  // goes with this process
    return [kept] {
        shmid_ds state{};
        ::shmctl(kept, IPC_STAT, &state);
    };
}

Act shm_make_remove() {
    return [] { ::shmctl(::shmget(IPC_PRIVATE, 4096, 0600), IPC_RMID, nullptr); };
}

Act sem_stat() {
    constexpr key_t kKey = 0x62656e63;
    const int id = ::semget(kKey, 1, IPC_CREAT | 0600);
    return [id] {
        semid_ds state{};
        SemaphoreArgument argument{.state = &state};
        ::semctl(id, 0, IPC_STAT, argument);
    };
}

Act sem_make_remove() {
    return [] { ::semctl(::semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID); };
}

Act msg_stat() {
    constexpr key_t kKey = 0x62656e63;
    const int id = ::msgget(kKey, IPC_CREAT | 0600);
    return [id] {
        msqid_ds state{};
        ::msgctl(id, IPC_STAT, &state);
    };
}

Act msg_make_remove() {
    return [] { ::msgctl(::msgget(IPC_PRIVATE, 0600), IPC_RMID, nullptr); };
}

Act key_describe() {
    const long key = ::syscall(SYS_add_key, "user", "bench", "x", 1, KEY_SPEC_PROCESS_KEYRING);
    return [key] { ::syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, nullptr, 0); };
}

// Another key each time: one of the same name would be changed, and one that is taken away is freed
// by a worker of the kernel at a time of its own. All go with this process.
Act key_add() {
    return [number = 1000]() mutable {
        const std::string name = std::to_string(number++);
        ::syscall(SYS_add_key, "user", name.c_str(), "x", 1, KEY_SPEC_PROCESS_KEYRING);
    };
}

// The session keyrings of both are the same: nothing changes.
Act session_to_parent() {
    return [] { ::syscall(SYS_keyctl, KEYCTL_SESSION_TO_PARENT); };
}

}  // namespace

std::span<const Operation> object_operations() {
    static constexpr std::array kOperations = {
        Operation{"shm_stat", 100, shm_stat},
        Operation{"shm_make_remove", 30, shm_make_remove, Frees::kLater},
        Operation{"sem_stat", 100, sem_stat},
        Operation{"sem_make_remove", 30, sem_make_remove, Frees::kLater},
        Operation{"msg_stat", 100, msg_stat},
        Operation{"msg_make_remove", 30, msg_make_remove, Frees::kLater},
        Operation{"key_describe", 50, key_describe},
        Operation{"key_add", 20, key_add, Frees::kLater},
        Operation{"session_to_parent", 50, session_to_parent},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
