// Signals as people name them.
#include "runtime/signal_name.h"

#include <gtest/gtest.h>
#include <signal.h>

namespace bulkhead::tests {
namespace {

using runtime::parse_signal;

TEST(SignalName, IsANameOrANumber) {
    EXPECT_EQ(parse_signal("TERM").value(), SIGTERM);
    EXPECT_EQ(parse_signal("SIGHUP").value(), SIGHUP);
    EXPECT_EQ(parse_signal("9").value(), SIGKILL);
    EXPECT_EQ(parse_signal("SIGRTMIN+3").value(), SIGRTMIN + 3);
    EXPECT_EQ(parse_signal("RTMIN+0").value(), SIGRTMIN);
}

TEST(SignalName, IsRefusedWhereNoSignalHasIt) {
    for (const char* text : {"", "0", "-1", "65", "99999999999", "TERMS", "SIG", "term", "RTMIN+",
                             "RTMIN+31", "RTMIN+-1x", "SIGSIGTERM", "9x"}) {
        const auto parsed = parse_signal(text);
        ASSERT_FALSE(parsed.has_value()) << text;
        EXPECT_EQ(parsed.error().fault(), Fault::kUsage) << text;
    }
}

}  // namespace
}  // namespace bulkhead::tests
