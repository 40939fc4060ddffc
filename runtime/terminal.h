// The person's terminal while a payload has one of its own.
#pragma once

#include <termios.h>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime {

// Raw mode for as long as it lives; every key, Ctrl-C included, goes to the payload. Does nothing
// when standard input is no terminal.
class RawTerminal {
public:
    RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    ~RawTerminal();

private:
    termios before_{};
    bool changed_ = false;
};

// Gives the payload's terminal the size of ours.
void copy_window_size(int terminal);

enum class Flow { kOpen, kClosed };

// Moves what can be read from `from` to `to`; kClosed at end-of-file or when the other side of a
// terminal is gone.
Flow pump(int from, int to);

}  // namespace bulkhead::runtime
