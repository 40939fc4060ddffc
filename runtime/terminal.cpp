#include "runtime/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace bulkhead::runtime {

RawTerminal::RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0)
        return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

RawTerminal::~RawTerminal() {
    if (changed_)
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void copy_window_size(int terminal) {
    winsize size{};
    if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ::ioctl(terminal, TIOCSWINSZ, &size);
}

Flow pump(int from, int to) {
    char buffer[8192];
    const ssize_t got = ::read(from, buffer, sizeof buffer);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return Flow::kOpen;
    if (got <= 0)
        return Flow::kClosed;
    ssize_t written = 0;
    while (written < got) {
        const ssize_t put = ::write(to, buffer + written, static_cast<std::size_t>(got - written));
        if (put < 0 && errno != EINTR)
            return Flow::kClosed;
        if (put > 0)
            written += put;
    }
    return Flow::kOpen;
}

}  // namespace bulkhead::runtime
