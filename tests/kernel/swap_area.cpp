#include "tests/kernel/swap_area.h"

#include <gtest/gtest.h>
#include <sys/swap.h>

#include <cstdlib>
#include <fstream>

namespace bulkhead::tests {
namespace {

constexpr const char* kDevice = "/dev/zram0";
constexpr const char* kMake =
    "modprobe zram && echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null";

}  // namespace

SwapArea::SwapArea() {
    EXPECT_EQ(std::system(kMake), 0);
    EXPECT_EQ(::swapon(kDevice, 0), 0);
}

SwapArea::~SwapArea() {
    EXPECT_EQ(::swapoff(kDevice), 0);
    std::ofstream("/sys/block/zram0/reset") << 1;
}

}  // namespace bulkhead::tests
