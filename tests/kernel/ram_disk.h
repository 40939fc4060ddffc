// A disk of memory, for block I/O that is counted.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "loader/unique_fd.h"

namespace bulkhead::tests {

inline constexpr const char* kRamDisk = "/run/bulkhead-meter-io";
inline constexpr std::size_t kBlock = 64 << 10;
inline constexpr int kBlocks = 16;

// ext4 on /dev/ram0, 32 MiB, at kRamDisk.
class RamDisk {
public:
    RamDisk() {
        EXPECT_EQ(std::system("modprobe brd rd_nr=1 rd_size=32768 && modprobe ext4 &&"
                              " mkfs.ext4 -q /dev/ram0"),
                  0);
        ::mkdir(kRamDisk, 0700);
        EXPECT_EQ(::mount("/dev/ram0", kRamDisk, "ext4", 0, nullptr), 0);
    }
    RamDisk(const RamDisk&) = delete;
    RamDisk& operator=(const RamDisk&) = delete;
    ~RamDisk() {
        EXPECT_EQ(::umount(kRamDisk), 0);
        ::rmdir(kRamDisk);
        EXPECT_EQ(std::system("rmmod brd"), 0);
    }
};

// kBlocks of kBlock bytes each, both ways. 0 or an errno.
inline int write_and_read_directly() {
    const std::string path = std::string(kRamDisk) + "/file";
    const UniqueFd file(::open(path.c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600));
    void* block = std::aligned_alloc(4096, kBlock);
    if (!file || block == nullptr)
        return errno;
    for (int i = 0; i < kBlocks; ++i)
        if (::pwrite(file.get(), block, kBlock, static_cast<off_t>(i * kBlock)) < 0)
            return errno;
    for (int i = 0; i < kBlocks; ++i)
        if (::pread(file.get(), block, kBlock, static_cast<off_t>(i * kBlock)) < 0)
            return errno;
    std::free(block);
    return 0;
}

}  // namespace bulkhead::tests
