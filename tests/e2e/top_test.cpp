// `bulkhead top` on a terminal of 80 columns and 24 lines.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "loader/unique_fd.h"
#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {
namespace {

const Arguments kBusy = {"/bin/sh", "-c", "while :; do :; done"};

// The program on a pseudo-terminal, and what it wrote there.
class OnTerminal {
public:
    explicit OnTerminal(const Arguments& arguments) {
        winsize size{24, 80, 0, 0};
        int master = -1, terminal = -1;
        EXPECT_EQ(::openpty(&master, &terminal, nullptr, nullptr, &size), 0);
        master_.reset(master);
        terminal_.reset(terminal);
        ::fcntl(master, F_SETFD, FD_CLOEXEC);
        ::tcgetattr(terminal, &before_);
        pid_ = ::fork();
        if (pid_ == 0) {
            for (const int fd : {0, 1, 2})
                ::dup2(terminal, fd);
            ::setenv("LANG", "C.UTF-8", 1);
            ::unsetenv("LC_ALL");
            std::vector<char*> argv = {const_cast<char*>("bulkhead")};
            for (const std::string& argument : arguments)
                argv.push_back(const_cast<char*>(argument.c_str()));
            argv.push_back(nullptr);
            ::execv(program_path().c_str(), argv.data());
            ::_exit(99);
        }
    }
    OnTerminal(const OnTerminal&) = delete;
    OnTerminal& operator=(const OnTerminal&) = delete;
    ~OnTerminal() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    void type(const char* keys) const { (void)!::write(master_.get(), keys, std::strlen(keys)); }

    // What was written since the last call, until `wanted` is in it.
    bool shows(const std::string& wanted) {
        const std::size_t from = seen_;
        const bool found = eventually(
            [&] {
                read_more();
                return text_.find(wanted, from) != std::string::npos;
            },
            30);
        seen_ = text_.size();
        EXPECT_TRUE(found) << wanted << " is not in what was written last: "
                           << text_.substr(text_.size() -
                                           std::min<std::size_t>(text_.size(), 2000));
        return found;
    }

    int wait() {
        int status = -1;
        EXPECT_TRUE(eventually([&] {
            read_more();
            return ::waitpid(pid_, &status, WNOHANG) == pid_;
        }));
        pid_ = -1;
        return status;
    }

    [[nodiscard]] bool is_as_before() const {
        termios now{};
        ::tcgetattr(terminal_.get(), &now);
        return now.c_lflag == before_.c_lflag && now.c_iflag == before_.c_iflag &&
               now.c_oflag == before_.c_oflag;
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    void read_more() {
        pollfd polled{master_.get(), POLLIN, 0};
        char buffer[4096];
        while (::poll(&polled, 1, 0) > 0) {
            const ssize_t got = ::read(master_.get(), buffer, sizeof buffer);
            if (got <= 0)
                return;
            text_.append(buffer, static_cast<std::size_t>(got));
        }
    }

    UniqueFd master_;
    UniqueFd terminal_;  // kept open, so that its settings can be looked at afterwards
    termios before_{};
    pid_t pid_ = -1;
    std::string text_;
    std::size_t seen_ = 0;
};

TEST(Top, ShowsSortsFiltersAndLooksAtOne) {
    const Detached busy("top-busy", kBusy);
    const Detached idle("top-idle", {"/bin/sleep", "1000"});
    OnTerminal top({"top", "--interval", "0.5"});
    ASSERT_TRUE(top.shows("top-idle"));
    top.shows("2 environments");
    // The busiest is first and selected.
    top.shows("\x1b[7mtop-busy");
    top.type("s");
    top.shows("by memory");
    top.type("/idle\r");
    top.shows("\x1b[7mtop-idle");
    top.shows("filter idle");
    top.type("\r");
    top.shows("waiting for a CPU");
    top.type(" ");
    top.shows("PAUSED");
    top.type("\x1b");
    top.shows("q quit");
    top.type("q");
    EXPECT_EQ(top.wait(), 0);
    EXPECT_TRUE(top.is_as_before());
    EXPECT_NE(top.text().find("\x1b[?1049l"), std::string::npos) << "the person's screen is back";
}

TEST(Top, GivesTheTerminalBackWhenItIsTerminated) {
    OnTerminal top({"top"});
    ASSERT_TRUE(top.shows("no environment is there"));
    top.type("\x03");
    EXPECT_EQ(top.wait(), 0);
    EXPECT_TRUE(top.is_as_before());
}

TEST(Top, PrintsOnceForScripts) {
    const Detached busy("top-once", kBusy);
    const Outcome once = bulkhead({"top", "--once", "--interval", "0.5"});
    EXPECT_EQ(once.exit_code, 0) << once.err;
    EXPECT_TRUE(once.out.starts_with("ENVIRONMENT")) << once.out;
    EXPECT_NE(once.out.find("\ntop-once"), std::string::npos) << once.out;
    const auto json = bulkhead_json({"top", "--interval", "0.5"});
    ASSERT_EQ(json.size(), 1U);
    EXPECT_EQ(json[0]["environment"], "top-once");
    EXPECT_GT(json[0]["cpu_permille"], 0);
    EXPECT_EQ(bulkhead({"top"}).exit_code, 2) << "this is no terminal";
    EXPECT_EQ(bulkhead({"top", "--sort", "colour"}).exit_code, 2);
}

}  // namespace
}  // namespace bulkhead::tests
