// The beancounter of file locks: what is made above the limit is refused, also where one request
// makes several, and what is taken off is off.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/kernel/bounded.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr int kUnexpected = 200;

// Bytes [first, end) of a file.
struct Bytes {
    off_t first;
    off_t end;  // 0: to the end of the file, wherever that is
};

int set_lock(int fd, int command, short type, Bytes bytes) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = bytes.first;
    lock.l_len = bytes.end == 0 ? 0 : bytes.end - bytes.first;
    return outcome(::fcntl(fd, command, &lock));
}

int lock(int fd, Bytes bytes) {
    return set_lock(fd, F_SETLK, F_WRLCK, bytes);
}

int unlock(int fd, Bytes bytes) {
    return set_lock(fd, F_SETLK, F_UNLCK, bytes);
}

class Locked {
public:
    Locked() { files_.write("f"); }

    [[nodiscard]] int open() const { return ::open(files_.at("f").c_str(), O_RDWR | O_CLOEXEC); }

private:
    Tmpfs files_;
};

void expect_refusal(Bounded& mine, __u64 limit) {
    const bh_beancounter counter = mine.counter(BH_BEANCOUNTER_NUMFLOCK);
    EXPECT_EQ(counter.held, 0U) << "the process is gone";
    EXPECT_EQ(counter.maxheld, limit);
    EXPECT_EQ(counter.failcnt, 1U);
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_lock);
    EXPECT_EQ(row.error, -ENOLCK);
    EXPECT_EQ(row.class_id, BH_CLASS_BEANCOUNTERS);
    EXPECT_EQ(row.label.serial, mine.label().serial);
    EXPECT_EQ(row.object[0], BH_BEANCOUNTER_NUMFLOCK);
    EXPECT_EQ(row.object[1], limit);
    EXPECT_EQ(row.object[3], limit);
}

// Each by an open file of its own.
FENCE_TEST(RefusesLocksOfFilesAboveTheLimit, "bh_bc_lock", "bh_bc_lock_new") {
    const Locked file;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {3, 3});
    const auto lock_all = [&] {
        for (int i = 0; i < 3; ++i)
            if (::flock(file.open(), LOCK_SH) != 0)
                return kUnexpected;
        return outcome(::flock(file.open(), LOCK_SH));
    };
    EXPECT_EQ(Actor::run(&mine, lock_all), ENOLCK);
    expect_refusal(mine, 3);
    EXPECT_EQ(Actor::run(nullptr, lock_all), 0);
    mine.unbound(BH_BEANCOUNTER_NUMFLOCK);
    EXPECT_EQ(Actor::run(&mine, lock_all), 0);
}

// One may be two more.
FENCE_TEST(RefusesRecordLocksAboveTheLimit, "bh_bc_lock", "bh_bc_setlk_end") {
    const Locked file;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {4, 4});
    const auto lock_all = [&] {
        const int fd = file.open();
        for (off_t i = 0; i < 3; ++i)
            if (lock(fd, {2 * i, 2 * i + 1}) != 0)
                return kUnexpected;
        return lock(fd, {8, 9});
    };
    EXPECT_EQ(Actor::run(&mine, lock_all), ENOLCK);
    expect_refusal(mine, 4);
    EXPECT_EQ(Actor::run(nullptr, lock_all), 0);
    mine.unbound(BH_BEANCOUNTER_NUMFLOCK);
    EXPECT_EQ(Actor::run(&mine, lock_all), 0);
}

FENCE_TEST(CountsLocksThatAreCut, "bh_bc_unlock", "bh_bc_lock_new") {
    const Locked file;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {3, 3});
    const auto cut = [&](int command) {
        return [&file, command] {
            const int fd = file.open();
            if (set_lock(fd, command, F_WRLCK, {0, 100}) != 0 ||
                set_lock(fd, command, F_UNLCK, {10, 20}) != 0 ||
                set_lock(fd, command, F_UNLCK, {30, 40}) != 0)
                return kUnexpected;
            return set_lock(fd, command, F_UNLCK, {50, 60});
        };
    };
    EXPECT_EQ(Actor::run(&mine, cut(F_SETLK)), ENOLCK);
    expect_refusal(mine, 3);
    EXPECT_EQ(Actor::run(&mine, cut(F_OFD_SETLK)), ENOLCK);
    EXPECT_EQ(Actor::run(nullptr, cut(F_SETLK)), 0);
}

// What leaves no more than there was is not refused.
TEST(Fence, TakesLocksOffAtTheLimit) {
    const Locked file;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {2, 2});
    const auto take_off = [&] {
        const int fd = file.open();
        if (lock(fd, {0, 100}) != 0 || unlock(fd, {40, 60}) != 0 || lock(fd, {70, 80}) != ENOLCK)
            return kUnexpected;
        return unlock(fd, {0, 10}) | unlock(fd, {90, 0}) | unlock(fd, {20, 30});
    };
    EXPECT_EQ(Actor::run(&mine, take_off), ENOLCK) << "that would cut the first";
    const auto all_off = [&] {
        const int fd = file.open();
        if (lock(fd, {0, 100}) != 0 || unlock(fd, {40, 60}) != 0)
            return kUnexpected;
        return unlock(fd, {0, 10}) | unlock(fd, {90, 0}) | unlock(fd, {0, 0}) | lock(fd, {0, 1});
    };
    EXPECT_EQ(Actor::run(&mine, all_off), 0);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).held, 0U);
}

FENCE_TEST(TakesLocksOffTheirMaker, "bh_bc_lock_end") {
    const Locked file;
    Bounded mine;
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {8, 8});
    const Actor holds(&mine, [&] {
        const int fd = file.open();
        EXPECT_EQ(lock(fd, {0, 1}), 0);
        EXPECT_EQ(lock(fd, {2, 3}), 0);
        EXPECT_EQ(unlock(fd, {2, 3}), 0);
        EXPECT_EQ(::flock(fd, LOCK_EX), 0);
        EXPECT_EQ(::flock(fd, LOCK_SH), 0);
    });
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).held, 2U);
}

// A request that fails made none.
FENCE_TEST(EndsRequestsForLocks, "bh_bc_flock_end") {
    const Locked file;
    Bounded mine;
    const UniqueFd held(file.open());
    ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {2, 2});
    const Actor tried(
        &mine, [&] { EXPECT_EQ(outcome(::flock(file.open(), LOCK_EX | LOCK_NB)), EWOULDBLOCK); });
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).maxheld, 1U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).held, 0U);
}

#if defined(__x86_64__)
// As a program of 32 bits asks; 0 or an errno.
int flock_32(int fd, int operation) {
    constexpr int kFlock32 = 143;
    int result = 0;
    asm volatile("int $0x80" : "=a"(result) : "a"(kFlock32), "b"(fd), "c"(operation) : "memory");
    return -result;
}

FENCE_TEST(EndsRequestsForLocksOf32Bits, "bh_bc_flock_32") {
    const Locked file;
    Bounded mine;
    const UniqueFd held(file.open());
    ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
    mine.bound(BH_BEANCOUNTER_NUMFLOCK, {2, 2});
    const Actor tried(&mine,
                      [&] { EXPECT_EQ(flock_32(file.open(), LOCK_EX | LOCK_NB), EWOULDBLOCK); });
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).maxheld, 1U);
    EXPECT_EQ(mine.counter(BH_BEANCOUNTER_NUMFLOCK).held, 0U);
}
#endif

}  // namespace
}  // namespace bulkhead::tests
