// IPC objects, queues and Unix sockets of the host, in a namespace that is shared.
#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "IPC and Unix sockets";
constexpr const char* kIpcLock = "IPC namespace";
constexpr const char* kQueue = "/escape";

ESCAPE(SharedMemory, kGroup, "shmat of a host segment, its futexes with it", kIpcLock,
       {{BH_HOOK_ipc_permission, BH_CLASS_IPC}}) {
    const int segment = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    auto* memory = static_cast<int*>(::shmat(segment, nullptr, 0));
    expect_stopped(technique, {.act =
                                   [&] {
                                       void* at = ::shmat(segment, nullptr, 0);
                                       if (reinterpret_cast<std::intptr_t>(at) == -1)
                                           return errno;
                                       *static_cast<int*>(at) = 1;
                                       return 0;
                                   },
                               .error = EACCES,
                               .object = "id " + std::to_string(segment) + " of the host",
                               .effect = [&] { return *memory == 1; },
                               .undo = [&] { *memory = 0; }});
    ::shmdt(memory);
    ::shmctl(segment, IPC_RMID, nullptr);
}

ESCAPE(SharedMemoryRemoved, kGroup, "shmctl(IPC_RMID) of a host segment", kIpcLock,
       {{BH_HOOK_shm_shmctl, BH_CLASS_IPC}}) {
    const auto make = [] { return ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600); };
    int segment = make();
    const auto is_gone = [&] {
        shmid_ds state{};
        return ::shmctl(segment, IPC_STAT, &state) != 0;
    };
    expect_stopped(technique, {.act = [&] { return outcome(::shmctl(segment, IPC_RMID, nullptr)); },
                               .object = "of the host",
                               .effect = is_gone,
                               .undo = [&] { segment = make(); }});
    ::shmctl(segment, IPC_RMID, nullptr);
}

ESCAPE(Semaphore, kGroup, "semop on a host semaphore", kIpcLock,
       {{BH_HOOK_ipc_permission, BH_CLASS_IPC}}) {
    const int set = ::semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    expect_stopped(technique, {.act =
                                   [&] {
                                       sembuf up{0, 1, IPC_NOWAIT};
                                       return outcome(::semop(set, &up, 1));
                                   },
                               .error = EACCES,
                               .object = "of the host",
                               .effect = [&] { return ::semctl(set, 0, GETVAL) != 0; },
                               .undo = [&] { ::semctl(set, 0, SETVAL, 0); }});
    ::semctl(set, 0, IPC_RMID);
}

ESCAPE(MessageQueue, kGroup, "msgrcv from a host queue", kIpcLock,
       {{BH_HOOK_ipc_permission, BH_CLASS_IPC}}) {
    struct Message {
        long type = 1;
        long text = 0;
    };
    const int queue = ::msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    const auto send = [&] {
        const Message message;
        ::msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT);
    };
    const auto messages = [&] {
        msqid_ds state{};
        ::msgctl(queue, IPC_STAT, &state);
        return state.msg_qnum;
    };
    send();
    expect_stopped(technique, {.act =
                                   [&] {
                                       Message message;
                                       return outcome(::msgrcv(queue, &message, sizeof message.text,
                                                               0, IPC_NOWAIT));
                                   },
                               .error = EACCES,
                               .object = "of the host",
                               .effect = [&] { return messages() == 0; },
                               .undo = send});
    ::msgctl(queue, IPC_RMID, nullptr);
}

bool has_queue() {
    const mqd_t queue = ::mq_open(kQueue, O_RDONLY);
    if (queue < 0)
        return false;
    ::mq_close(queue);
    return true;
}

void make_queue() {
    ::mq_close(::mq_open(kQueue, O_RDWR | O_CREAT, 0600, nullptr));
}

ESCAPE(PosixQueueOpened, kGroup, "mq_open of a host queue", kIpcLock,
       {{BH_HOOK_file_open, BH_CLASS_FILES}}) {
    make_queue();
    expect_stopped(technique,
                   {.act = [] { return opened(::mq_open(kQueue, O_RDWR)); }, .object = "/escape"});
    ::mq_unlink(kQueue);
}

PROVES(Escape, PosixQueueMade, "bh_mq_create");
ESCAPE(PosixQueueMade, kGroup, "mq_open(O_CREAT) among the host's queues", kIpcLock,
       {{BH_HOOK_inode_create, BH_CLASS_FILES}}) {
    expect_stopped(
        technique,
        {.act = [] { return opened(::mq_open(kQueue, O_RDWR | O_CREAT, 0600, nullptr)); },
         .object = "/escape",
         .effect = has_queue,
         .undo = [] { ::mq_unlink(kQueue); }});
}

PROVES(Escape, PosixQueueRemoved, "bh_mq_unlink");
ESCAPE(PosixQueueRemoved, kGroup, "mq_unlink of a host queue", kIpcLock,
       {{BH_HOOK_inode_unlink, BH_CLASS_FILES}}) {
    make_queue();
    // EPERM in the kernel; glibc makes EACCES of it.
    expect_stopped(technique, {.act = [] { return outcome(::mq_unlink(kQueue)); },
                               .error = EACCES,
                               .object = "/escape",
                               .effect = [] { return !has_queue(); },
                               .undo = make_queue});
    ::mq_unlink(kQueue);
}

sockaddr_un named(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    return address;
}

// One whose name begins with a zero byte.
sockaddr_un abstract(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path + 1, name.c_str());
    return address;
}

UniqueFd listening(const sockaddr_un& address) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(socket.get(), 16), 0);
    return socket;
}

int connect_to(const sockaddr_un& address) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return outcome(
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

ESCAPE(UnixPath, kGroup, "connect to a host's socket by path (docker.sock)", "own root",
       {{BH_HOOK_unix_stream_connect, BH_CLASS_UNIX}}) {
    const Tmpfs place;
    const sockaddr_un address = named(place.at("engine.sock"));
    const UniqueFd engine = listening(address);
    expect_stopped(technique,
                   {.act = [&] { return connect_to(address); }, .object = "socket family 1"});
}

ESCAPE(UnixAbstract, kGroup, "connect to an abstract name (CVE-2020-15257)",
       "network namespace; none with --network host",
       {{BH_HOOK_unix_stream_connect, BH_CLASS_UNIX}}) {
    const sockaddr_un address = abstract("escape-shim");
    const UniqueFd shim = listening(address);
    expect_stopped(technique,
                   {.act = [&] { return connect_to(address); }, .object = "escape-shim"});
}

ESCAPE(UnixDatagram, kGroup, "a datagram to the host's log socket", "own root",
       {{BH_HOOK_unix_may_send, BH_CLASS_UNIX}}) {
    const Tmpfs place;
    const sockaddr_un address = named(place.at("log"));
    const UniqueFd log(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const auto* name = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(::bind(log.get(), name, sizeof address), 0);
    bool arrived = false;
    expect_stopped(
        technique,
        {.act =
             [&] {
                 const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                 return outcome(::sendto(socket.get(), "x", 1, MSG_DONTWAIT, name, sizeof address));
             },
         .effect =
             [&] {
                 char byte = 0;
                 arrived = arrived || ::recv(log.get(), &byte, 1, MSG_DONTWAIT) == 1;
                 return arrived;
             },
         .undo = [&] { arrived = false; }});
}

ESCAPE(PassedDescriptor, kGroup, "a descriptor of a host file received (SCM_RIGHTS)",
       "none once a socket is shared", {{BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS}}) {
    const Tmpfs host;
    host.write("secret");
    const UniqueFd secret(::open(host.at("secret").c_str(), O_RDONLY | O_CLOEXEC));
    expect_stopped(technique, {.act = [&] { return receive(secret.get()); }, .object = "secret"});
}

ESCAPE(PassedDirectory, kGroup, "a directory of the host received (SCM_RIGHTS)",
       "none once a socket is shared", {{BH_HOOK_file_receive, BH_CLASS_DESCRIPTORS}}) {
    const UniqueFd root(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    expect_stopped(technique, {.act = [&] { return receive(root.get()); }, .object = "/ (device"});
}

}  // namespace
}  // namespace bulkhead::tests
