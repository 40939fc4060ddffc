// Files that become code: what lies in no directory, and what changed after the start, does not
// run.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <string>

#include "loader/pins.h"
#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/keeper.h"
#include "tests/kernel/proofs.h"
#include "tests/kernel/rule_rows.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kPage = 4096;
constexpr const char* kProgram = "/bin/true";
constexpr int kKilled = 254;

Expected executed(bh_class class_id) {
    return {BH_HOOK_bprm_check_security, class_id, EPERM};
}
Expected mapped(bh_class class_id) {
    return {BH_HOOK_mmap_file, class_id, EPERM};
}
Expected changed(bh_class class_id) {
    return {BH_HOOK_file_mprotect, class_id, EPERM};
}

// The errno of executing, or 0 when the program did its work.
template <typename Exec>
int run_program(Exec exec) {
    const pid_t child = ::fork();
    if (child == 0) {
        exec();
        ::_exit(errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled;
}

int execute(int fd) {
    return run_program([&] {
        char name[] = "true";
        char* const arguments[] = {name, nullptr};
        ::fexecve(fd, arguments, environ);
    });
}

int execute(const std::string& path) {
    return run_program([&] { ::execl(path.c_str(), path.c_str(), nullptr); });
}

void fill(int fd) {
    const UniqueFd program(::open(kProgram, O_RDONLY | O_CLOEXEC));
    struct stat info {};
    EXPECT_EQ(::fstat(program.get(), &info), 0);
    EXPECT_EQ(::sendfile(fd, program.get(), nullptr, static_cast<std::size_t>(info.st_size)),
              info.st_size);
    EXPECT_EQ(::fchmod(fd, 0755), 0);
}

// The same file without a descriptor that could write to it.
UniqueFd for_reading(const UniqueFd& fd) {
    return UniqueFd(
        ::open(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), O_RDONLY | O_CLOEXEC));
}

UniqueFd memory_program() {
    UniqueFd fd(::memfd_create("program", MFD_CLOEXEC));
    fill(fd.get());
    return for_reading(fd);
}

UniqueFd deleted_program(const Tmpfs& place) {
    UniqueFd fd(::open(place.at("gone").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0755));
    fill(fd.get());
    UniqueFd readable = for_reading(fd);
    ::unlink(place.at("gone").c_str());
    return readable;
}

UniqueFd unnamed_program(const Tmpfs& place) {
    UniqueFd fd(::open(place.path().c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0755));
    fill(fd.get());
    return for_reading(fd);
}

int map_code(int fd) {
    return ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno
                                                                                           : 0;
}

int make_code(int fd) {
    void* memory = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd, 0);
    return outcome(::mprotect(memory, kPage, PROT_READ | PROT_EXEC));
}

class Named : public BareEnvironment {
public:
    Named() : BareEnvironment("mine") {
        allow(BH_CLASS_FILES);
        refuse(BH_CLASS_ANONYMOUS_CODE);
    }
};

FENCE_TEST(RefusesToExecuteWhatLiesInNoDirectory, "bh_exec_code") {
    Named mine;
    const Tmpfs place;
    expect_refused(mine, executed(BH_CLASS_ANONYMOUS_CODE),
                   [] { return execute(memory_program().get()); });
    EXPECT_STREQ(mine.last_refusal_by(BH_HOOK_bprm_check_security).text[0], "memfd:program");
    expect_refused(mine, executed(BH_CLASS_ANONYMOUS_CODE),
                   [&] { return execute(deleted_program(place).get()); });
    expect_refused(mine, executed(BH_CLASS_ANONYMOUS_CODE),
                   [&] { return execute(unnamed_program(place).get()); });
}

FENCE_TEST(RefusesAScriptThatLiesInNoDirectory, "bh_exec_code") {
    Named mine;
    expect_refused(mine, executed(BH_CLASS_ANONYMOUS_CODE), [] {
        const UniqueFd script(::memfd_create("script", 0));
        EXPECT_EQ(::write(script.get(), "#!/bin/true\n", 12), 12);
        EXPECT_EQ(::fchmod(script.get(), 0755), 0);
        return execute("/proc/self/fd/" + std::to_string(script.get()));
    });
}

FENCE_TEST(RefusesToMapCodeThatLiesInNoDirectory, "bh_mmap_code") {
    Named mine;
    const Tmpfs place;
    expect_refused(mine, mapped(BH_CLASS_ANONYMOUS_CODE),
                   [] { return map_code(memory_program().get()); });
    EXPECT_EQ(mine.last_refusal().object[3], static_cast<__u64>(PROT_READ | PROT_EXEC));
    expect_refused(mine, mapped(BH_CLASS_ANONYMOUS_CODE),
                   [&] { return map_code(deleted_program(place).get()); });
    expect_refused(mine, mapped(BH_CLASS_ANONYMOUS_CODE), [] {
        const int id = ::shmget(IPC_PRIVATE, kPage, IPC_CREAT | 0700);
        const int error = ::shmat(id, nullptr, SHM_EXEC) == MAP_FAILED ? errno : 0;
        ::shmctl(id, IPC_RMID, nullptr);
        return error;
    });
}

FENCE_TEST(RefusesToMakeCodeOfWhatLiesInNoDirectory, "bh_mprot_code") {
    Named mine;
    const Tmpfs place;
    expect_refused(mine, changed(BH_CLASS_ANONYMOUS_CODE),
                   [] { return make_code(memory_program().get()); });
    expect_refused(mine, changed(BH_CLASS_ANONYMOUS_CODE),
                   [&] { return make_code(deleted_program(place).get()); });
}

TEST(Fence, LetsRunWhatLiesInADirectory) {
    Named mine;
    const Tmpfs place;
    std::filesystem::copy_file(kProgram, place.at("program"));
    EXPECT_EQ(
        Actor::run(&mine,
                   [&] {
                       // A name is enough, whichever it is.
                       ::link(place.at("program").c_str(), place.at("other").c_str());
                       ::unlink(place.at("program").c_str());
                       const UniqueFd fd(::open(place.at("other").c_str(), O_RDONLY | O_CLOEXEC));
                       return execute(kProgram) | execute(fd.get()) | map_code(fd.get()) |
                              make_code(fd.get());
                   }),
        0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_ANONYMOUS_CODE], 0U);
}

// An environment that started now.
class Steady : public BareEnvironment {
public:
    Steady() : BareEnvironment("mine") {
        allow(BH_CLASS_FILES);
        refuse(BH_CLASS_DRIFT);
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
        bh_policy policy{};
        policy.drift_ns =
            static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
        policy.rule_of_class[BH_CLASS_DRIFT] = 5;
        ::clock_gettime(CLOCK_BOOTTIME, &now);
        bh_environment started = record();
        started.started_ns =
            static_cast<__u64>(now.tv_sec) * 1'000'000'000 + static_cast<__u64>(now.tv_nsec);
        publish(started);
        // Each change of the control word, as the checks make them, begins a generation.
        for (__u32 ahead = 0; ahead < 64; ++ahead)
            put_policy(*this, generation_of(*this) + ahead, policy);
    }
};

// A copy of the program that was there before any environment started.
class OldProgram {
public:
    OldProgram() {
        std::filesystem::copy_file(kProgram, place_.at("program"));
        ::usleep(50'000);
    }
    [[nodiscard]] const Tmpfs& place() const { return place_; }
    [[nodiscard]] std::string path() const { return place_.at("program"); }

private:
    Tmpfs place_;
};

FENCE_TEST(RefusesToExecuteWhatWasWrittenSinceTheStart, "bh_exec_code") {
    const OldProgram old;
    Steady mine;
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(kProgram) | execute(old.path()); }), 0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_DRIFT], 0U);
    const std::string copy = old.place().at("copy");
    const auto copied_and_run = [&] {
        std::filesystem::copy_file(old.path(), copy,
                                   std::filesystem::copy_options::overwrite_existing);
        return execute(copy);
    };
    expect_refused(mine, executed(BH_CLASS_DRIFT), copied_and_run);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_bprm_check_security).rule, 5U);
    EXPECT_STREQ(mine.last_refusal_by(BH_HOOK_bprm_check_security).text[0], "copy");
    expect_refused(mine, executed(BH_CLASS_DRIFT), [&] {
        const timespec past[2] = {{1, 0}, {1, 0}};
        std::filesystem::copy_file(old.path(), copy,
                                   std::filesystem::copy_options::overwrite_existing);
        ::utimensat(AT_FDCWD, copy.c_str(), past, 0);
        return execute(copy);
    });
    // The content may be what it was: the change is what counts.
    expect_refused(mine, executed(BH_CLASS_DRIFT), [&] {
        UniqueFd fd(::open(old.path().c_str(), O_RDWR | O_CLOEXEC));
        char byte = 0;
        EXPECT_EQ(::pread(fd.get(), &byte, 1, 0), 1);
        EXPECT_EQ(::pwrite(fd.get(), &byte, 1, 0), 1);
        const UniqueFd readable = for_reading(fd);
        fd.reset();
        return execute(readable.get());
    });
}

// Read first: then the page is written without a fault, and no time of the file changes.
void write_through_mapping(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    auto* memory = static_cast<volatile char*>(
        ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0));
    const char byte = memory[0];
    memory[0] = byte;
    ::munmap(const_cast<char*>(memory), kPage);
}

// 0 or the errno of making code of a file in each way that there is.
int become_code(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return execute(path) | map_code(fd.get()) | make_code(fd.get());
}

FENCE_TEST(SeesWhatIsWrittenThroughAMappingWithoutATime, "bh_mmap_code") {
    const OldProgram old;
    Steady mine;
    EXPECT_EQ(Actor::run(&mine, [&] { return become_code(old.path()); }), 0);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             write_through_mapping(old.path());
                             const UniqueFd fd(::open(old.path().c_str(), O_RDONLY | O_CLOEXEC));
                             return execute(old.path()) == EPERM && map_code(fd.get()) == EPERM &&
                                            make_code(fd.get()) == EPERM
                                        ? 0
                                        : ENOTSUP;
                         }),
              0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_DRIFT], 3U);
    mine.allow(BH_CLASS_DRIFT);
    EXPECT_EQ(Actor::run(&mine, [&] { return become_code(old.path()); }), 0);
}

TEST(Fence, SeesWhatIsWrittenThroughAMappingOfAnOverlay) {
    const Tmpfs layers;
    for (const char* name : {"lower", "upper", "work", "merged"})
        layers.make_directory(name);
    std::filesystem::copy_file(kProgram, layers.at("upper/program"));
    const std::string options = "lowerdir=" + layers.at("lower") +
                                ",upperdir=" + layers.at("upper") + ",workdir=" + layers.at("work");
    ASSERT_EQ(::mount("overlay", layers.at("merged").c_str(), "overlay", 0, options.c_str()), 0);
    ::usleep(50'000);
    Steady mine;
    const std::string program = layers.at("merged/program");
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(program); }), 0);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             write_through_mapping(program);
                             const UniqueFd fd(::open(program.c_str(), O_RDONLY | O_CLOEXEC));
                             return execute(program) == EPERM && map_code(fd.get()) == EPERM &&
                                            make_code(fd.get()) == EPERM
                                        ? 0
                                        : ENOTSUP;
                         }),
              0);
    EXPECT_EQ(mine.state().refused[BH_CLASS_DRIFT], 3U);
    EXPECT_EQ(::umount2(layers.at("merged").c_str(), 0), 0);
}

FENCE_TEST(RefusesToMapCodeThatWasWrittenSinceTheStart, "bh_mmap_code") {
    const OldProgram old;
    Steady mine;
    const std::string copy = old.place().at("copy");
    const auto opened_copy = [&] {
        std::filesystem::copy_file(old.path(), copy,
                                   std::filesystem::copy_options::overwrite_existing);
        return UniqueFd(::open(copy.c_str(), O_RDONLY | O_CLOEXEC));
    };
    expect_refused(mine, mapped(BH_CLASS_DRIFT), [&] { return map_code(opened_copy().get()); });
    EXPECT_EQ(mine.last_refusal().rule, 5U);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const UniqueFd fd(::open(old.path().c_str(), O_RDONLY | O_CLOEXEC));
                             return map_code(fd.get()) | make_code(fd.get());
                         }),
              0);
}

FENCE_TEST(RefusesToMakeCodeOfWhatWasWrittenSinceTheStart, "bh_mprot_code") {
    const OldProgram old;
    Steady mine;
    const std::string copy = old.place().at("copy");
    expect_refused(mine, changed(BH_CLASS_DRIFT), [&] {
        std::filesystem::copy_file(old.path(), copy,
                                   std::filesystem::copy_options::overwrite_existing);
        const UniqueFd fd(::open(copy.c_str(), O_RDONLY | O_CLOEXEC));
        return make_code(fd.get());
    });
}

TEST(Fence, RefusesAllCodeWhereThePolicyOfDriftIsMissing) {
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    mine.refuse(BH_CLASS_DRIFT);
    EXPECT_EQ(Actor::run(&mine, [] { return execute(kProgram); }), EPERM);
    EXPECT_GT(mine.state().internal, 0U);
    EXPECT_EQ(mine.last_refusal_by(BH_HOOK_bprm_check_security).flags, BH_REFUSAL_INTERNAL);
}

TEST(Fence, AttachesWhatJudgesCodeOnlyWhileAPolicyAsks) {
    const NobodyAsks nobody;
    const auto is_attached = [] {
        return ::access(loader::link_pin("bh_exec_code").c_str(), F_OK) == 0;
    };
    EXPECT_FALSE(is_attached());
    {
        BareEnvironment first("first");
        EXPECT_FALSE(is_attached());
        first.refuse(BH_CLASS_ANONYMOUS_CODE);
        EXPECT_TRUE(is_attached());
        {
            BareEnvironment second("second");
            second.refuse(BH_CLASS_DRIFT);
            first.allow(BH_CLASS_ANONYMOUS_CODE);
            EXPECT_TRUE(is_attached());
        }
        EXPECT_FALSE(is_attached());
        first.refuse(BH_CLASS_DRIFT);
        EXPECT_TRUE(is_attached());
    }
    EXPECT_FALSE(is_attached());
}

}  // namespace
}  // namespace bulkhead::tests
