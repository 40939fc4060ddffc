// Adoption: what ran before is fenced from one instant on, whatever it forks meanwhile, and runs
// on unharmed when it is released.
#include "runtime/adopt.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "loader/pins.h"
#include "runtime/cgroup.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kService = "/sys/fs/cgroup/test.service";

// What the processes of a case and the case itself share.
struct Board {
    std::atomic<int> fenced;  // 1: every act from now on must be refused; 2: none
    std::atomic<int> stop;
    std::atomic<unsigned> acts;       // tried while `fenced` was 1
    std::atomic<unsigned> escapes;    // that succeeded
    std::atomic<unsigned> free_acts;  // tried while `fenced` was 2
    std::atomic<unsigned> refused;    // of these
};

// A cgroup like that of a service, and a board. Everything in it is killed in the end.
class Service {
public:
    Service()
        : board_(static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
        EXPECT_TRUE(std::filesystem::create_directory(kService));
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        kill();
        std::error_code error;
        std::filesystem::remove(std::string(kService) + "/child", error);
        EXPECT_EQ(::rmdir(kService), 0) << errno;
        ::munmap(board_, sizeof(Board));
    }

    Board& board() { return *board_; }

    // Forks a process into the service's cgroup (or one below).
    template <typename Body>
    pid_t spawn(Body body, const std::string& below = "") {
        const std::string cgroup = kService + below;
        ::mkdir(cgroup.c_str(), 0755);
        const pid_t pid = ::fork();
        if (pid == 0) {
            std::ofstream(cgroup + "/cgroup.procs") << "0";
            body(*board_);
            ::_exit(0);
        }
        while (first_cgroup(pid).find("test.service") == std::string::npos)
            std::this_thread::yield();
        return pid;
    }

    void kill() {
        std::ofstream(std::string(kService) + "/cgroup.kill") << "1";
        while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR)
            continue;
        std::string events;
        do {
            std::ifstream file(std::string(kService) + "/cgroup.events");
            std::getline(file, events, '\0');
        } while (events.find("populated 0") == std::string::npos);
    }

private:
    static std::string first_cgroup(pid_t pid) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
        std::string text;
        std::getline(file, text, '\0');
        return text;
    }

    Board* board_;
};

// Refused inside by class syslog; allowed to the guest's root.
bool read_log_size() {
    return ::klogctl(10, nullptr, 0) >= 0;
}

// What the process knew before it acted decides: an act that began earlier proves nothing.
void act(Board& board) {
    const int fenced = board.fenced;
    const bool done = read_log_size();
    if (fenced == 1) {
        ++board.acts;
        board.escapes += done ? 1 : 0;
    } else if (fenced == 2) {
        ++board.free_acts;
        board.refused += done ? 0 : 1;
    }
}

// Never more than a few processes at once, each of which lives for two acts and one fork.
void storm(Board& board) {
    ::signal(SIGCHLD, SIG_IGN);
    while (board.stop == 0) {
        if (::fork() == 0) {
            act(board);
            if (::fork() == 0)
                act(board);
            ::_exit(0);
        }
        act(board);
        ::usleep(200);
    }
}

template <typename Condition>
bool eventually(Condition condition) {
    for (int tries = 0; tries < 20'000; ++tries) {
        if (condition())
            return true;
        ::usleep(1000);
    }
    return false;
}

runtime::AdoptSpec service_spec(std::uint64_t control = loader::kDefaultControl) {
    runtime::AdoptSpec spec;
    spec.target = "test.service";
    spec.name = "service";
    spec.policy.rules.control = control;
    spec.policy.name = "default";
    return spec;
}

void adopt_service(std::uint64_t control = loader::kDefaultControl) {
    const auto adopted = runtime::adopt(service_spec(control));
    ASSERT_TRUE(adopted.has_value()) << adopted.error().message();
    EXPECT_EQ(*adopted, "service");
}

void release_service() {
    const auto released = runtime::release("service");
    ASSERT_TRUE(released.has_value()) << released.error().message();
}

PROVES(Adopt, FencesAForkStormAndLetsItGo, "bh_adopt_pass", "bh_task_alloc");
TEST(Adopt, FencesAForkStormAndLetsItGo) {
    Service service;
    for (int i = 0; i < 3; ++i)
        service.spawn(storm);
    service.spawn(storm, "/child");
    service.spawn([](Board& board) {
        while (true) {
            act(board);
            ::usleep(1000);
        }
    });
    adopt_service();
    service.board().fenced = 1;
    EXPECT_TRUE(eventually([&] { return service.board().acts > 400; }));
    EXPECT_EQ(service.board().escapes, 0U) << "of " << service.board().acts;
    service.board().fenced = 0;
    release_service();
    service.board().fenced = 2;
    EXPECT_TRUE(eventually([&] { return service.board().free_acts > 200; }));
    EXPECT_EQ(service.board().refused, 0U) << "of " << service.board().free_acts;
}

PROVES(Adopt, CountsAndExplainsLikeAnyOther, "bh_syslog");
TEST(Adopt, CountsAndExplainsLikeAnyOther) {
    Service service;
    service.spawn(storm);
    adopt_service();
    service.board().fenced = 1;
    EXPECT_TRUE(eventually([&] { return service.board().acts > 10; }));
    auto environments = loader::Environments::open();
    ASSERT_TRUE(environments.has_value());
    const auto label = environments->find("service");
    ASSERT_TRUE(label.has_value());
    EXPECT_GT(environments->state(*label)->refused[BH_CLASS_SYSLOG], 0U);
    EXPECT_GT(environments->state(*label)->counts.forks, 0U);
    service.board().stop = 1;
    release_service();
}

PROVES(Adopt, TakesInWhatIsMovedThereLaterWithAllItsThreads, "bh_adopt_move");
TEST(Adopt, TakesInWhatIsMovedThereLaterWithAllItsThreads) {
    Service service;
    service.spawn([](Board&) { ::pause(); });
    adopt_service();
    // Two threads that act; moved as a process.
    const pid_t outside = ::fork();
    if (outside == 0) {
        std::thread other([&] {
            while (true)
                act(service.board());
        });
        while (true)
            act(service.board());
    }
    std::ofstream(std::string(kService) + "/cgroup.procs") << outside;
    service.board().fenced = 1;
    EXPECT_TRUE(eventually([&] { return service.board().acts > 200; }));
    EXPECT_EQ(service.board().escapes, 0U);
    release_service();
}

TEST(Adopt, LeavesTheHostsOtherTasksAlone) {
    Service service;
    service.spawn([](Board&) { ::pause(); });
    adopt_service();
    EXPECT_TRUE(read_log_size());
    EXPECT_EQ(Actor::run(nullptr, [] { return read_log_size() ? 0 : EPERM; }), 0);
    release_service();
    EXPECT_NE(::access(loader::link_pin("bh_adopt_move").c_str(), F_OK), 0)
        << "attached although nothing is adopted";
}

// A Unix socket that the service made before it was adopted is its own.
TEST(Adopt, ItsOwnSocketsStayReachable) {
    Service service;
    const auto address = [] {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strcpy(name.sun_path + 1, "adopted-service");
        return name;
    };
    service.spawn([&](Board& board) {
        const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
        const sockaddr_un name = address();
        if (::bind(listener, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
            ::listen(listener, 8) != 0)
            return;
        board.free_acts = 1;
        while (board.stop == 0) {
            if (board.fenced == 0 || ::fork() != 0) {
                ::usleep(1000);
                continue;
            }
            const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
            const bool reached =
                ::connect(client, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
            ++board.acts;
            board.escapes += reached ? 1 : 0;
            board.stop = 1;
            ::_exit(0);
        }
        ::pause();
    });
    ASSERT_TRUE(eventually([&] { return service.board().free_acts == 1; }));
    adopt_service();
    service.board().fenced = 1;
    EXPECT_TRUE(eventually([&] { return service.board().acts >= 1; }));
    EXPECT_EQ(service.board().escapes, service.board().acts);
    release_service();
}

std::size_t environments() {
    const auto open = loader::Environments::open();
    EXPECT_TRUE(open.has_value()) << open.error().message();
    return open->count();
}

TEST(Adopt, RefusesWhatCannotBeAdopted) {
    const std::size_t before = environments();
    Service service;
    const auto error_of = [](const char* target) {
        runtime::AdoptSpec spec = service_spec();
        spec.target = target;
        const auto adopted = runtime::adopt(spec);
        EXPECT_FALSE(adopted.has_value()) << target;
        return adopted ? std::string() : adopted.error().message();
    };
    EXPECT_NE(error_of("/").find("the whole machine"), std::string::npos);
    EXPECT_NE(error_of("test.service").find("no process runs"), std::string::npos);
    EXPECT_NE(error_of("none.service").find("no cgroup is named"), std::string::npos);
    EXPECT_NE(error_of("4194303").find("no process has the id"), std::string::npos);
    EXPECT_TRUE(runtime::Cgroup::prepare_parent().has_value());
    EXPECT_NE(error_of("/bulkhead").find("holds environments"), std::string::npos);
    service.spawn([](Board&) { ::pause(); });
    adopt_service();
    EXPECT_NE(error_of("test.service").find("overlaps"), std::string::npos);
    release_service();
    EXPECT_EQ(environments(), before);
}

}  // namespace
}  // namespace bulkhead::tests
