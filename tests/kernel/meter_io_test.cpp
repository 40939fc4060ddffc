// Block I/O, against io.stat: direct reads and writes of a file on ext4 on a RAM disk.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "tests/kernel/meter_support.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kDirectory = "/run/bulkhead-meter-io";
constexpr std::size_t kBlock = 64 << 10;
constexpr int kBlocks = 16;

// ext4 on /dev/ram0, 32 MiB.
class RamDisk {
public:
    RamDisk() {
        EXPECT_EQ(std::system("modprobe brd rd_nr=1 rd_size=32768 && modprobe ext4 &&"
                              " mkfs.ext4 -q /dev/ram0"),
                  0);
        ::mkdir(kDirectory, 0700);
        EXPECT_EQ(::mount("/dev/ram0", kDirectory, "ext4", 0, nullptr), 0);
    }
    RamDisk(const RamDisk&) = delete;
    RamDisk& operator=(const RamDisk&) = delete;
    ~RamDisk() {
        EXPECT_EQ(::umount(kDirectory), 0);
        ::rmdir(kDirectory);
        EXPECT_EQ(std::system("rmmod brd"), 0);
    }
};

// Sums KEY=number over all devices.
std::uint64_t io_number(const BareEnvironment& environment, const std::string& key) {
    std::istringstream text(cgroup_text(environment, "io.stat"));
    std::uint64_t sum = 0;
    for (std::string word; text >> word;)
        if (word.starts_with(key + "="))
            sum += std::stoull(word.substr(key.size() + 1));
    return sum;
}

int write_and_read_directly() {
    const std::string path = std::string(kDirectory) + "/file";
    const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    void* block = std::aligned_alloc(4096, kBlock);
    if (file < 0 || block == nullptr)
        return errno;
    for (int i = 0; i < kBlocks; ++i)
        if (::pwrite(file, block, kBlock, static_cast<off_t>(i * kBlock)) < 0)
            return errno;
    for (int i = 0; i < kBlocks; ++i)
        if (::pread(file, block, kBlock, static_cast<off_t>(i * kBlock)) < 0)
            return errno;
    return 0;
}

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

}  // namespace
}  // namespace bulkhead::tests
