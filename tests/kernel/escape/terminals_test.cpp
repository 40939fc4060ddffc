// The host's terminal, where an environment inherited it: typing into it.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "terminals";
constexpr const char* kSessionLock = "a session of its own, without that terminal";

// A terminal of the host. What is typed into it can be seen.
class Terminal {
public:
    Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        std::array<char, 64> name{};
        EXPECT_EQ(::unlockpt(master_.get()), 0);
        EXPECT_EQ(::ptsname_r(master_.get(), name.data(), name.size()), 0);
        path_ = name.data();
        slave_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        termios raw{};
        ::tcgetattr(slave_.get(), &raw);
        ::cfmakeraw(&raw);
        ::tcsetattr(slave_.get(), TCSANOW, &raw);
    }
    [[nodiscard]] int fd() const { return slave_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool was_typed_into() const {
        int bytes = 0;
        ::ioctl(slave_.get(), FIONREAD, &bytes);
        return bytes != 0;
    }
    void flush() const { ::tcflush(slave_.get(), TCIFLUSH); }
    // Makes it the controlling terminal of the caller, as a login shell's child has it.
    [[nodiscard]] int control() const {
        ::setsid();
        return outcome(::ioctl(slave_.get(), TIOCSCTTY, 0));
    }

private:
    UniqueFd master_;
    UniqueFd slave_;
    std::string path_;
};

int type_into(int fd) {
    const char byte = 'x';
    return outcome(::ioctl(fd, TIOCSTI, &byte));
}

// From 6.2 it is for root only, unless the administrator says otherwise.
void allow_typing() {
    if (::access("/proc/sys/dev/tty/legacy_tiocsti", F_OK) == 0)
        std::ofstream("/proc/sys/dev/tty/legacy_tiocsti") << 1;
}

PROVES(Escape, Tiocsti, "bh_ioctl");
ESCAPE(Tiocsti, kGroup, "TIOCSTI into the inherited terminal (CVE-2017-5226)", kSessionLock,
       {{BH_HOOK_file_ioctl, BH_CLASS_DEVICES}}) {
    allow_typing();
    const Terminal terminal;
    expect_stopped(technique, {.act =
                                   [&] {
                                       const int error = terminal.control();
                                       return error != 0 ? error : type_into(terminal.fd());
                                   },
                               .object = "(device",
                               .effect = [&] { return terminal.was_typed_into(); },
                               .undo = [&] { terminal.flush(); },
                               .passing = {BH_CLASS_CAPABILITIES}});
}

#ifdef __x86_64__
// The number is the same, the way into the kernel another one.
int type_into_as_32_bits(int fd) {
    constexpr int kIoctlOf32Bits = 54;
    // Below 4 GiB, as a 32-bit process has it.
    auto* byte = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    *byte = 'x';
    int result = kIoctlOf32Bits;
    asm volatile("int $0x80"
                 : "+a"(result)
                 : "b"(fd), "c"(TIOCSTI), "d"(byte)
                 : "memory", "r8", "r9", "r10", "r11");
    return -result;
}

PROVES(Escape, TiocstiOf32Bits, "bh_ioctl_compat");
ESCAPE(TiocstiOf32Bits, kGroup, "TIOCSTI through a 32-bit system call", kSessionLock,
       {{BH_HOOK_file_ioctl_compat, BH_CLASS_DEVICES}}) {
    allow_typing();
    const Terminal terminal;
    expect_stopped(technique, {.act =
                                   [&] {
                                       const int error = terminal.control();
                                       return error != 0 ? error
                                                         : type_into_as_32_bits(terminal.fd());
                                   },
                               .object = "(device",
                               .effect = [&] { return terminal.was_typed_into(); },
                               .undo = [&] { terminal.flush(); },
                               .passing = {BH_CLASS_CAPABILITIES}});
}

#endif

ESCAPE(Tioclinux, kGroup, "TIOCLINUX: the console's selection pasted", "own /dev: no console in it",
       {{BH_HOOK_file_ioctl, BH_CLASS_DEVICES}}) {
    const UniqueFd console(::open("/dev/tty1", O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(console) << errno;
    expect_stopped(technique,
                   {.act =
                        [&] {
                            char shift_state = 6;
                            return outcome(::ioctl(console.get(), TIOCLINUX, &shift_state));
                        },
                    .object = "tty1",
                    .passing = {BH_CLASS_CAPABILITIES}});
}

ESCAPE(Hangup, kGroup, "vhangup: everybody off the terminal",
       "user namespace: CAP_SYS_TTY_CONFIG of the host",
       {{BH_HOOK_capable, BH_CLASS_CAPABILITIES}}) {
    expect_stopped(technique, {.act =
                                   [] {
                                       ::setsid();
                                       return outcome(::vhangup());
                                   },
                               .object = "capability 26"});
}

TEST(Escape, LeavesTypingIntoOnesOwnTerminalAlone) {
    allow_typing();
    const Terminal terminal;
    BareEnvironment mine("mine");
    mine.own(terminal.path());
    mine.allow(BH_CLASS_CAPABILITIES);
    EXPECT_EQ(Actor::run(&mine,
                         [&] {
                             const int error = terminal.control();
                             return error != 0 ? error : type_into(terminal.fd());
                         }),
              0);
}

}  // namespace
}  // namespace bulkhead::tests
