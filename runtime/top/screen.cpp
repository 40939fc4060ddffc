#include "runtime/top/screen.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>

#include "loader/unique_fd.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/terminal.h"
#include "runtime/usage.h"

namespace bulkhead::runtime::top {
namespace {

// The other screen, so that the person's own is there again afterwards; no cursor.
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[?25h\x1b[?1049l";

std::uint64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

Status take_reading(Model& model) {
    BULKHEAD_TRY_VALUE(all, read_all_usage(std::string(kEnvironmentsCgroup)));
    model.take(all, monotonic_ns());
    return {};
}

std::string time_of_day() {
    constexpr std::size_t kDate = 11, kTime = 8;
    return utc_now().substr(kDate, kTime) + "Z";
}

Status write_all(std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno != EINTR)
            return fail_errno("write to the terminal");
        text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return {};
}

Size size_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return {};
    return {size.ws_col, size.ws_row};
}

std::string_view code_of(Emphasis emphasis) {
    switch (emphasis) {
        case Emphasis::kBold:
            return "\x1b[1m";
        case Emphasis::kReverse:
            return "\x1b[7m";
        case Emphasis::kNone:
            break;
    }
    return "";
}

// In one write, from the top left, each line to its end: nothing flickers.
std::string frame_of(const std::vector<Line>& lines) {
    std::string frame;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        frame += "\x1b[" + std::to_string(i + 1) + ";1H";
        frame += code_of(lines[i].emphasis);
        frame += lines[i].text;
        frame += "\x1b[0m\x1b[K";
    }
    return frame;
}

// Ends that would leave the terminal as it is now become events; so does another size.
class Signals {
public:
    Signals() {
        ::sigemptyset(&set_);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH})
            ::sigaddset(&set_, signal);
        ::sigprocmask(SIG_BLOCK, &set_, &before_);
        fd_.reset(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

    [[nodiscard]] int fd() const { return fd_.get(); }

    // 0: none.
    [[nodiscard]] int take() const {
        signalfd_siginfo received{};
        return ::read(fd_.get(), &received, sizeof received) == sizeof received
                   ? static_cast<int>(received.ssi_signo)
                   : 0;
    }

private:
    sigset_t set_{};
    sigset_t before_{};
    UniqueFd fd_;
};

class Screen {
public:
    Screen(View view, std::uint64_t interval_ms)
        : view_(std::move(view)), interval_ms_(interval_ms) {}

    Status run() {
        BULKHEAD_TRY(take_reading(model_));
        clock_ = time_of_day();
        std::uint64_t next_ns = monotonic_ns() + interval_ms_ * 1'000'000;
        while (true) {
            BULKHEAD_TRY(write_all(frame_of(render(view_, model_, size_of_terminal(), clock_))));
            const std::uint64_t now_ns = monotonic_ns();
            if (wait(next_ns - std::min(next_ns, now_ns)) == Reaction::kQuit)
                return {};
            if (monotonic_ns() < next_ns)
                continue;
            next_ns = monotonic_ns() + interval_ms_ * 1'000'000;
            if (view_.motion == Motion::kPaused)
                continue;
            BULKHEAD_TRY(take_reading(model_));
            clock_ = time_of_day();
        }
    }

private:
    Reaction wait(std::uint64_t patience_ns) {
        pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
        const auto patience_ms = static_cast<int>(patience_ns / 1'000'000 + 1);
        if (::poll(polled, std::size(polled), patience_ms) <= 0)
            return Reaction::kStay;
        for (int signal = 0; (signal = signals_.take()) != 0;)
            if (signal != SIGWINCH)
                return Reaction::kQuit;
        return polled[0].revents != 0 ? read_keys() : Reaction::kStay;
    }

    Reaction read_keys() {
        char buffer[64];
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got <= 0)
            return got < 0 && errno == EINTR ? Reaction::kStay : Reaction::kQuit;
        std::string_view bytes(buffer, static_cast<std::size_t>(got));
        while (!bytes.empty())
            if (press(view_, model_, take_key(bytes)) == Reaction::kQuit)
                return Reaction::kQuit;
        return Reaction::kStay;
    }

    View view_;
    std::uint64_t interval_ms_;
    Signals signals_;
    Model model_;
    std::string clock_;
};

}  // namespace

Status show(View view, std::uint64_t interval_ms) {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0)
        return fail(Error(0, "this is no terminal", Fault::kUsage)
                        .advise("bulkhead top --once prints one table, --json one for programs"));
    const RawTerminal raw;
    BULKHEAD_TRY(write_all(kEnter));
    auto shown = Screen(std::move(view), interval_ms).run();
    (void)write_all(kLeave);
    return shown;
}

Result<Model> read_twice(std::uint64_t interval_ms) {
    Model model;
    BULKHEAD_TRY(take_reading(model));
    const timespec pause = {static_cast<time_t>(interval_ms / 1000),
                            static_cast<long>(interval_ms % 1000 * 1'000'000)};
    ::nanosleep(&pause, nullptr);
    BULKHEAD_TRY(take_reading(model));
    return model;
}

Glyphs glyphs_of_locale() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0')
            continue;
        const std::string_view locale(value);
        const bool is_unicode = locale.find("UTF-8") != std::string_view::npos ||
                                locale.find("utf8") != std::string_view::npos;
        return is_unicode ? Glyphs::kUnicode : Glyphs::kAscii;
    }
    return Glyphs::kAscii;
}

}  // namespace bulkhead::runtime::top
