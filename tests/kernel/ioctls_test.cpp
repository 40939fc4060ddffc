// Ioctls by kind of device, where a policy has a list of them.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "tests/kernel/actors.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"
#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kTerminals = "[kernel]\nioctl = [\"terminal\"]\n";
constexpr const char* kOthers = "[kernel]\nioctl = [\"other\", \"block\"]\n";

// Devices that were opened on the host: whether they may be opened is not the question here.
class Ioctls : public testing::Test {
protected:
    void apply(const std::string& policy) {
        const auto published = mine_.publish_rules(compiled(policy).rules);
        EXPECT_TRUE(published.has_value()) << published.error().message();
    }
    // As the device answers it: its own errno is not EPERM.
    int ask(BareEnvironment* environment, const UniqueFd& device, unsigned long command) {
        return Actor::run(environment, [&] {
            int answer[64] = {};
            return outcome(::ioctl(device.get(), command, answer));
        });
    }

    const UniqueFd terminal_{::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)};
    const UniqueFd other_{::open("/dev/cpu_dma_latency", O_RDWR | O_CLOEXEC)};
    const UniqueFd null_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    BareEnvironment mine_{"mine"};
};

PROVES(Ioctls, OfKindsThatAreNotListedAreRefused, "bh_ioctl_kind");
TEST_F(Ioctls, OfKindsThatAreNotListedAreRefused) {
    ASSERT_TRUE(terminal_ && other_ && null_);
    EXPECT_EQ(ask(nullptr, other_, TCGETS), ENOTTY);
    EXPECT_EQ(ask(&mine_, other_, TCGETS), ENOTTY) << "without a list";
    apply(kTerminals);
    EXPECT_EQ(ask(&mine_, terminal_, TIOCGPTN), 0);
    EXPECT_EQ(ask(&mine_, null_, TCGETS), ENOTTY) << "every environment has it";
    const __u64 before = mine_.state().refused[BH_CLASS_DEVICES];
    EXPECT_EQ(ask(&mine_, other_, TCGETS), EPERM);
    EXPECT_EQ(mine_.state().refused[BH_CLASS_DEVICES], before + 1);
    const bh_refusal row = mine_.last_refusal();
    EXPECT_EQ(row.hook, BH_HOOK_file_ioctl);
    EXPECT_EQ(row.class_id, BH_CLASS_DEVICES);
    EXPECT_EQ(row.object_kind, BH_OBJECT_IOCTL);
    EXPECT_EQ(row.object[1], static_cast<__u64>(TCGETS));
    EXPECT_EQ(row.object[3], static_cast<__u64>(BH_DEVICE_OTHER));
    EXPECT_EQ(row.error, -EPERM);
    EXPECT_EQ(row.rule, 1U);
    EXPECT_EQ(ask(nullptr, other_, TCGETS), ENOTTY);
    apply(kOthers);
    EXPECT_EQ(ask(&mine_, other_, TCGETS), ENOTTY);
    EXPECT_EQ(ask(&mine_, terminal_, TIOCGPTN), EPERM);
    mine_.allow(BH_CLASS_DEVICES);
    EXPECT_EQ(ask(&mine_, terminal_, TIOCGPTN), 0);
}

PROVES(Ioctls, AreOnlyRecordedInAudit, "bh_ioctl_kind");
TEST_F(Ioctls, AreOnlyRecordedInAudit) {
    for (const std::string& policy : {"mode = \"audit\"\n" + std::string(kOthers),
                                      std::string(kOthers) + "mode = \"audit\"\n"}) {
        apply(policy);
        const __u64 before = mine_.state().audited[BH_CLASS_DEVICES];
        EXPECT_EQ(ask(&mine_, terminal_, TIOCGPTN), 0);
        EXPECT_EQ(mine_.state().audited[BH_CLASS_DEVICES], before + 1);
    }
}

TEST_F(Ioctls, OnWhatIsNoDeviceAreNotAskedAbout) {
    Tmpfs place;
    place.write("file");
    const UniqueFd file(::open(place.at("file").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd memory(::memfd_create("m", MFD_CLOEXEC));
    apply("[kernel]\nioctl = []\n");
    EXPECT_EQ(ask(&mine_, terminal_, TIOCGPTN), EPERM);
    EXPECT_EQ(ask(&mine_, file, FIONREAD), 0);
    EXPECT_EQ(ask(&mine_, memory, FIONREAD), 0);
}

#ifdef __x86_64__
// The number of the command is the same, the way into the kernel another one.
int ask_as_32_bits(int fd, unsigned long command) {
    constexpr int kIoctlOf32Bits = 54;
    auto* answer = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    int result = kIoctlOf32Bits;
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(fd), "c"(command), "d"(answer)
                 : "memory", "r8", "r9", "r10", "r11");
    return -result;
}

PROVES(Ioctls, Of32BitCallersAreRefusedToo, "bh_ioctl_kind32");
TEST_F(Ioctls, Of32BitCallersAreRefusedToo) {
    const auto ask = [&] {
        return Actor::run(&mine_, [&] { return ask_as_32_bits(terminal_.get(), TIOCGPTN); });
    };
    EXPECT_EQ(ask(), 0);
    apply(kOthers);
    EXPECT_EQ(ask(), EPERM);
    EXPECT_EQ(mine_.last_refusal().hook,
              has_hook("file_ioctl_compat") ? BH_HOOK_file_ioctl_compat : BH_HOOK_file_ioctl);
}
#endif

}  // namespace
}  // namespace bulkhead::tests
