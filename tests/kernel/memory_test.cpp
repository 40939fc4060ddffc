// Writable code: memory that a task can write, or has written, does not become executable.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kPage = 4096;
constexpr Expected kMapped{BH_HOOK_mmap_file, BH_CLASS_WRITABLE_CODE, EPERM};
constexpr Expected kChanged{BH_HOOK_file_mprotect, BH_CLASS_WRITABLE_CODE, EPERM};

int mapped(int protection, int flags, int fd) {
    return ::mmap(nullptr, kPage, protection, flags, fd, 0) == MAP_FAILED ? errno : 0;
}

void* anonymous() {
    return ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

// A file of one page, as long as the object lives.
class CodeFile {
public:
    CodeFile() {
        place_.write("code");
        EXPECT_EQ(::truncate(place_.at("code").c_str(), kPage), 0);
    }
    [[nodiscard]] UniqueFd open(int flags) const {
        return UniqueFd(::open(place_.at("code").c_str(), flags | O_CLOEXEC));
    }

private:
    Tmpfs place_;
};

class Hardened : public BareEnvironment {
public:
    Hardened() : BareEnvironment("mine") { refuse(BH_CLASS_WRITABLE_CODE); }
};

FENCE_TEST(RefusesMappingWritableCode, "bh_mmap") {
    Hardened mine;
    expect_refused(mine, kMapped, [] {
        return mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    });
    EXPECT_EQ(mine.last_refusal().object[0],
              static_cast<__u64>(PROT_READ | PROT_WRITE | PROT_EXEC));
    const CodeFile code;
    const UniqueFd fd = code.open(O_RDONLY);
    expect_refused(mine, kMapped, [&] {
        return mapped(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd.get());
    });
    EXPECT_STREQ(mine.last_refusal().text[0], "code");
}

FENCE_TEST(RefusesCodeThatAFileOpenForWritingShares, "bh_mmap") {
    Hardened mine;
    const CodeFile code;
    const UniqueFd writable = code.open(O_RDWR);
    const UniqueFd readable = code.open(O_RDONLY);
    expect_refused(mine, kMapped,
                   [&] { return mapped(PROT_READ | PROT_EXEC, MAP_SHARED, writable.get()); });
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             return mapped(PROT_READ | PROT_EXEC, MAP_SHARED, readable.get()) |
                                    mapped(PROT_READ | PROT_EXEC, MAP_PRIVATE, writable.get());
                         }),
              0);
}

FENCE_TEST(RefusesWritableCodeByPersonality, "bh_mmap") {
    Hardened mine;
    expect_refused(mine, kMapped, [] {
        ::personality(READ_IMPLIES_EXEC);
        return mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    });
}

FENCE_TEST(RefusesExecutableSystemVSharedMemory, "bh_mmap") {
    Hardened mine;
    expect_refused(mine, kMapped, [] {
        const int id = ::shmget(IPC_PRIVATE, kPage, IPC_CREAT | 0600);
        void* at = ::shmat(id, nullptr, SHM_EXEC);
        const int error = at == MAP_FAILED ? errno : 0;
        ::shmctl(id, IPC_RMID, nullptr);
        return error;
    });
}

FENCE_TEST(RefusesToExecuteWhatWasWritten, "bh_mprotect") {
    Hardened mine;
    expect_refused(mine, kChanged,
                   [] { return outcome(::mprotect(anonymous(), kPage, PROT_READ | PROT_EXEC)); });
    // By way of a protection that is neither writable nor executable.
    expect_refused(mine, kChanged, [] {
        void* memory = anonymous();
        *static_cast<volatile char*>(memory) = 'x';
        return outcome(::mprotect(memory, kPage, PROT_READ)) |
               outcome(::mprotect(memory, kPage, PROT_READ | PROT_EXEC));
    });
    expect_refused(mine, kChanged, [] {
        void* memory = anonymous();
        ::personality(READ_IMPLIES_EXEC);
        return outcome(::mprotect(memory, kPage, PROT_READ));
    });
}

FENCE_TEST(RefusesToExecuteAChangedCopyOfAFile, "bh_mprotect") {
    Hardened mine;
    const CodeFile code;
    const UniqueFd fd = code.open(O_RDWR);
    expect_refused(mine, kChanged, [&] {
        void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd.get(), 0);
        *static_cast<volatile char*>(memory) = 'x';
        return outcome(::mprotect(memory, kPage, PROT_READ)) |
               outcome(::mprotect(memory, kPage, PROT_READ | PROT_EXEC));
    });
    EXPECT_STREQ(mine.last_refusal().text[0], "code");
    expect_refused(mine, kChanged, [&] {
        void* memory = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        return outcome(::mprotect(memory, kPage, PROT_READ)) |
               outcome(::mprotect(memory, kPage, PROT_READ | PROT_EXEC));
    });
}

TEST(Fence, LetsProgramsStartThatWriteNoCode) {
    Hardened mine;
    mine.allow(BH_CLASS_FILES);
    EXPECT_EQ(Actor::run(&mine,
                         [] {
                             const pid_t child = ::fork();
                             if (child == 0) {
                                 ::execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
                                 ::_exit(1);
                             }
                             int status = 0;
                             ::waitpid(child, &status, 0);
                             return WEXITSTATUS(status) == 7 ? 0 : ECHILD;
                         }),
              0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_WRITABLE_CODE], 0U);
}

}  // namespace
}  // namespace bulkhead::tests
