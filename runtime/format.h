// Texts as fmt makes them. Of the library only what declares and checks is included; all of it is
// behind format.cpp: it takes the compiler three seconds in every file that has it.
#pragma once

#if __has_include(<fmt/base.h>)
#include <fmt/base.h>
#else
#include <fmt/core.h>  // before fmt 11
#endif

#include <string>

namespace bulkhead {

std::string format_all(fmt::string_view format, fmt::format_args arguments);

// The format is checked when this is compiled.
template <typename... T>
std::string formatted(fmt::format_string<T...> format, T&&... arguments) {
    return format_all(format, fmt::make_format_args(arguments...));
}

void print_all(fmt::string_view format, fmt::format_args arguments);

// On standard output.
template <typename... T>
void print_formatted(fmt::format_string<T...> format, T&&... arguments) {
    print_all(format, fmt::make_format_args(arguments...));
}

}  // namespace bulkhead
