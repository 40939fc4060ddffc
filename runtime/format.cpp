#include "runtime/format.h"

#include <fmt/format.h>

#include <cstdio>

namespace bulkhead {

std::string format_all(fmt::string_view format, fmt::format_args arguments) {
    return fmt::vformat(format, arguments);
}

void print_all(fmt::string_view format, fmt::format_args arguments) {
    fmt::vprint(stdout, format, arguments);
}

}  // namespace bulkhead
