// What was opened before the rules of a policy that revokes: each further use of it is judged.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/kernel/proofs.h"
#include "tests/kernel/tree_fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr Expected kUse{BH_HOOK_file_permission, BH_CLASS_PATHS, EPERM};

// /closed gives nothing, /seen is read only, /log is appended to; /kept is closed, but not to what
// was opened before.
class Closing {
public:
    Closing() {
        for (const char* name : {"closed", "seen", "log", "kept"})
            fill_directory(place_, name);
        environment_.emplace(
            place_, std::vector<TreeRule>{{"closed", 0, 1, BH_NODE_REVOKES},
                                          {"seen", kReadOnly, 2, BH_NODE_REVOKES},
                                          {"log", kReadOnly | BH_RIGHT_APPEND, 3, BH_NODE_REVOKES},
                                          {"kept", 0, 4, 0}});
        bh_environment record = environment_->record();
        record.flags |= BH_ENV_REVOKES;
        environment_->publish(record);
    }
    [[nodiscard]] UniqueFd open(const std::string& file, int flags) const {
        UniqueFd fd(::open(place_.at(file).c_str(), flags | O_CLOEXEC));
        EXPECT_TRUE(fd) << file << ": " << errno;
        return fd;
    }
    int run(const std::function<int()>& act) { return Actor::run(&*environment_, act); }
    BareEnvironment& operator*() { return *environment_; }

private:
    Tmpfs place_;
    std::optional<Ruled> environment_;
};

int read_one(int fd) {
    char byte = 0;
    return outcome(::pread(fd, &byte, 1, 0));
}

int write_one(int fd) {
    return outcome(::pwrite(fd, "x", 1, 0));
}

int map(int fd, int protection, int flags) {
    void* at = ::mmap(nullptr, 1, protection, flags, fd, 0);
    return at == MAP_FAILED ? errno : outcome(::munmap(at, 1));
}

PROVES(Revoke, RefusesToReadAndWrite, "bh_revoke_use");
TEST(Revoke, RefusesToReadAndWrite) {
    Closing mine;
    const UniqueFd closed = mine.open("closed/file", O_RDWR), kept = mine.open("kept/file", O_RDWR);
    expect_refused(*mine, kUse, [&] { return read_one(closed.get()); });
    expect_refused(*mine, kUse, [&] { return write_one(closed.get()); });
    mine.run([&] { return read_one(closed.get()); });
    EXPECT_EQ((*mine).last_refusal().rule, 1U);
    EXPECT_EQ((*mine).last_refusal().object[3], static_cast<__u64>(BH_RIGHT_READ));
    EXPECT_EQ(mine.run([&] { return read_one(kept.get()) | write_one(kept.get()); }), 0)
        << "without the key";
    bh_environment record = (*mine).record();
    record.flags &= ~static_cast<__u32>(BH_ENV_REVOKES);
    (*mine).publish(record);
    EXPECT_EQ(mine.run([&] { return read_one(closed.get()); }), 0);
}

PROVES(Revoke, LeavesTheRightsThatArePartOfWhatWasOpened, "bh_revoke_use");
TEST(Revoke, LeavesTheRightsThatArePartOfWhatWasOpened) {
    Closing mine;
    const UniqueFd seen = mine.open("seen/file", O_RDWR);
    const UniqueFd log = mine.open("log/file", O_RDWR | O_APPEND);
    const UniqueFd plain = mine.open("log/file", O_RDWR);
    EXPECT_EQ(mine.run([&] { return read_one(seen.get()); }), 0);
    expect_refused(*mine, kUse, [&] { return write_one(seen.get()); });
    EXPECT_EQ(mine.run([&] { return outcome(::write(log.get(), "x", 1)); }), 0);
    expect_refused(*mine, kUse, [&] { return write_one(plain.get()); });
}

PROVES(Revoke, RefusesEveryWayToRead, "bh_revoke_use");
TEST(Revoke, RefusesEveryWayToRead) {
    Closing mine;
    const UniqueFd closed = mine.open("closed/file", O_RDWR),
                   other = mine.open("seen/file", O_RDONLY);
    const UniqueFd directory = mine.open("closed", O_RDONLY | O_DIRECTORY);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const UniqueFd out(pipe[0]), in(pipe[1]);
    loff_t begin = 0;
    expect_refused(*mine, kUse, [&] {
        char byte = 0;
        const iovec part{&byte, 1};
        return outcome(::preadv(closed.get(), &part, 1, 0));
    });
    expect_refused(*mine, kUse, [&] {
        return outcome(::splice(closed.get(), &begin, in.get(), nullptr, 1, 0));
    });
    expect_refused(*mine, kUse,
                   [&] { return outcome(::sendfile(in.get(), closed.get(), &begin, 1)); });
    expect_refused(*mine, kUse, [&] {
        std::array<char, 1024> names{};
        return outcome(::syscall(SYS_getdents64, directory.get(), names.data(), names.size()));
    });
    expect_refused(*mine, kUse, [&] { return outcome(::fallocate(closed.get(), 0, 0, 1)); });
    EXPECT_EQ(mine.run([&] { return read_one(other.get()); }), 0);
}

PROVES(Revoke, RefusesToMap, "bh_revoke_map");
TEST(Revoke, RefusesToMap) {
    Closing mine;
    const UniqueFd closed = mine.open("closed/file", O_RDWR), seen = mine.open("seen/file", O_RDWR);
    constexpr Expected kMap{BH_HOOK_mmap_file, BH_CLASS_PATHS, EPERM};
    expect_refused(*mine, kMap, [&] { return map(closed.get(), PROT_READ, MAP_PRIVATE); });
    EXPECT_EQ(mine.run([&] { return map(seen.get(), PROT_READ, MAP_PRIVATE); }), 0);
    EXPECT_EQ(mine.run([&] { return map(seen.get(), PROT_READ | PROT_WRITE, MAP_PRIVATE); }), 0);
    expect_refused(*mine, kMap, [&] { return map(seen.get(), PROT_WRITE, MAP_SHARED); });
    expect_refused(*mine, kMap, [&] { return map(seen.get(), PROT_READ, MAP_SHARED); });
    EXPECT_EQ(mine.run([&] { return map(-1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS); }), 0);
}

PROVES(Revoke, RefusesToTakeOver, "bh_revoke_recv");
TEST(Revoke, RefusesToTakeOver) {
    Closing mine;
    const UniqueFd closed = mine.open("closed/file", O_RDONLY),
                   seen = mine.open("seen/file", O_RDONLY);
    (*mine).allow(BH_CLASS_DESCRIPTORS);
    expect_refused(*mine, {BH_HOOK_file_receive, BH_CLASS_PATHS, EPERM},
                   [&] { return receive(closed.get()); });
    EXPECT_EQ(mine.run([&] { return receive(seen.get()); }), 0);
}

// The kernel reads what it executes, and maps it, whether it may be read or not.
TEST(Revoke, LeavesProgramsAlone) {
    Tmpfs place;
    place.make_directory("bin");
    ASSERT_EQ(::system(("cp /bin/busybox " + place.at("bin/busybox")).c_str()), 0);
    Ruled mine(place, {{"", 0, 1, BH_NODE_REVOKES}, {"bin", kExecute, 2, BH_NODE_REVOKES}},
               {BH_CLASS_PATHS, BH_CLASS_EXECUTION});
    bh_environment record = mine.record();
    record.flags |= BH_ENV_REVOKES;
    mine.publish(record);
    const std::string program = place.at("bin/busybox");
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             ::execl(program.c_str(), "busybox", "true", nullptr);
                             return errno;
                         }),
              0);
    EXPECT_EQ(Actor::run(&mine, [&] { return read_file(program); }), EPERM);
}

}  // namespace
}  // namespace bulkhead::tests
