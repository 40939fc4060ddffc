// Acts inside the environment "box", which must succeed or be refused.
#pragma once

#include <string>

#include "tests/e2e/policy_file.h"

namespace bulkhead::tests {

// What the script prints; it succeeds.
inline std::string done(const std::string& script) {
    const Outcome outcome = exec("box", script);
    EXPECT_EQ(outcome.exit_code, 0) << script << ": " << outcome.out << outcome.err << "\n"
                                    << bulkhead({"why", "box"}).out;
    return outcome.out;
}

// The script fails, and `why` names the reason.
inline void expect_no(const std::string& script, const std::string& reason) {
    const Outcome outcome = exec("box", script);
    EXPECT_NE(outcome.exit_code, 0) << script << ": " << outcome.out;
    const std::string why = bulkhead({"why", "box"}).out;
    EXPECT_NE(why.find(reason), std::string::npos) << script << ": " << why;
}

// Without this the Podman of the image takes overlayfs, which cannot lie on another one, and its
// units fail.
inline constexpr const char* kSettlePodman =
    "printf '[storage]\\ndriver = \"vfs\"\\nrunroot = \"/run/containers\"\\n"
    "graphroot = \"/var/lib/containers\"\\n' > /etc/containers/storage.conf; ";

// systemd starts what it starts, all of it.
inline void expect_boots() {
    constexpr int kSeconds = 300;  // under emulation it takes most of a minute
    const auto is_booted = [] {    // or cannot be asked yet
        const Outcome state = exec("box", "systemctl is-system-running --wait");
        return state.out == "running\n" || state.out == "degraded\n";
    };
    ASSERT_TRUE(eventually(is_booted, kSeconds)) << done("systemctl list-jobs; journalctl -b");
    EXPECT_EQ(done("systemctl is-system-running"), "running\n")
        << done("systemctl --failed; journalctl -b -p notice --no-pager | tail -n 60");
}

inline void expect_shuts_down() {
    EXPECT_EQ(bulkhead({"stop", "box", "--signal", "SIGRTMIN+3", "--timeout", "120"}).exit_code, 0);
}

}  // namespace bulkhead::tests
