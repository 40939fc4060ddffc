// Block I/O against io.stat, faults and reclaim against memory.stat, with files on ext4 on a RAM
// disk.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/kernel/meter_support.h"
#include "tests/kernel/ram_disk.h"

namespace bulkhead::tests {
namespace {

TEST(Meter, BlockIoIsThatOfIoStat) {
    const RamDisk disk;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    Actor actor(&mine, [] { EXPECT_EQ(write_and_read_directly(), 0); });
    const auto usage = read_meters(mine).usage;
    EXPECT_GE(usage.io_bytes[BH_IO_READ], kBlocks * kBlock);
    EXPECT_GE(usage.io_bytes[BH_IO_WRITE], kBlocks * kBlock);
    EXPECT_EQ(usage.io_bytes[BH_IO_READ], io_number(mine, "rbytes"));
    EXPECT_EQ(usage.io_bytes[BH_IO_WRITE], io_number(mine, "wbytes"));
    EXPECT_EQ(usage.io_operations[BH_IO_READ], io_number(mine, "rios"));
    EXPECT_EQ(usage.io_operations[BH_IO_WRITE], io_number(mine, "wios"));
}

constexpr std::size_t kHeld = 8 << 20;

// Anonymous memory in small pages, and page cache that can be reclaimed.
void hold_memory_and_cache() {
    void* memory =
        ::mmap(nullptr, kHeld, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::madvise(memory, kHeld, MADV_NOHUGEPAGE);
    std::memset(memory, 1, kHeld);
    const std::string path = std::string(kRamDisk) + "/cached";
    const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_EQ(::write(file, memory, kHeld), static_cast<ssize_t>(kHeld));
    EXPECT_EQ(::fsync(file), 0);
}

// The kernel folds its per-processor counts together when it likes: until the looks agree.
TEST(Meter, FaultsAndReclaimAreThoseOfMemoryStat) {
    const RamDisk disk;
    BareEnvironment mine("mine");
    mine.allow(BH_CLASS_FILES);
    Actor holder(&mine, hold_memory_and_cache);
    std::ofstream(mine.cgroup() + "/memory.reclaim") << kHeld / 2;
    bh_usage usage{};
    for (int i = 0; i < 50; ++i) {
        ::usleep(100'000);
        usage = read_meters(mine).usage;
        if (usage.faults >= kHeld / 4096 && usage.reclaimed_pages != 0 &&
            usage.faults == cgroup_number(mine, "memory.stat", "pgfault"))
            break;
    }
    EXPECT_GE(usage.faults, kHeld / 4096);
    EXPECT_EQ(usage.faults, cgroup_number(mine, "memory.stat", "pgfault"));
    EXPECT_EQ(usage.major_faults, cgroup_number(mine, "memory.stat", "pgmajfault"));
    EXPECT_GT(usage.reclaimed_pages, 0U);
    EXPECT_EQ(usage.scanned_pages, cgroup_number(mine, "memory.stat", "pgscan"));
    EXPECT_EQ(usage.reclaimed_pages, cgroup_number(mine, "memory.stat", "pgsteal"));
}

}  // namespace
}  // namespace bulkhead::tests
