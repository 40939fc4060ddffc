// Whoever has a label and lives is found, whatever became of its environment.
#include "loader/labelled.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "tests/kernel/actors.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

// 0: there is none.
pid_t labelled() {
    const auto found = loader::find_labelled();
    EXPECT_TRUE(found.has_value()) << found.error().message();
    return found && *found ? (*found)->process : 0;
}

// Dead, waited for by nobody.
bool is_zombie(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return text.find(") Z ") != std::string::npos;
}

FENCE_TEST(FindsWhoeverHasALabel, "bh_label_pass") {
    const Actor of_the_host(nullptr);
    BareEnvironment mine("mine");
    EXPECT_EQ(labelled(), 0);
    const Actor inside(&mine);
    EXPECT_EQ(labelled(), inside.pid());
    mine.withdraw();
    EXPECT_EQ(labelled(), inside.pid());
    // What is dead and waits for its parent acts no more.
    ASSERT_EQ(::kill(inside.pid(), SIGKILL), 0);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(inside.pid()), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(labelled(), 0);
}

FENCE_TEST(FindsAThreadThatOutlivesTheFirst, "bh_label_pass", "bh_task_alloc") {
    BareEnvironment mine("mine");
    const Ongoing inside(&mine, [] {
        ::pthread_t second{};
        ::pthread_create(
            &second, nullptr,
            [](void*) -> void* {
                while (true)
                    ::pause();
            },
            nullptr);
        return static_cast<int>(::syscall(SYS_exit, 0));
    });
    while (!is_zombie(inside.pid()))
        std::this_thread::yield();
    EXPECT_EQ(labelled(), inside.pid());
}

}  // namespace
}  // namespace bulkhead::tests
