// Errors as values. Every layer that passes an error on says what it was doing, so that the one
// message of `main` reads from what the user asked down to the errno.
#pragma once

#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace bulkhead {

// What kind of failure it is to the caller of a command; decides the exit code.
enum class Fault {
    kFailed,       // it went wrong: 1
    kUsage,        // asked for something that cannot be: 2
    kUnsupported,  // this kernel or machine cannot: 3
};

// An errno (0 if none fits) and the story around it, outermost first.
class Error {
public:
    Error(int code, std::string what, Fault fault = Fault::kFailed)
        : code_(code), fault_(fault), what_(std::move(what)) {}

    // From the current errno.
    static Error from_errno(std::string what);

    // The same error seen from further out: "context: what".
    Error within(std::string_view context) &&;
    // What the user can do about it; shown last, on a line of its own.
    Error advise(std::string remedy) &&;

    [[nodiscard]] int code() const { return code_; }
    [[nodiscard]] Fault fault() const { return fault_; }
    [[nodiscard]] const std::string& what() const { return what_; }
    [[nodiscard]] const std::string& remedy() const { return remedy_; }

    // "what: strerror" and, if there is one, "\n  remedy".
    [[nodiscard]] std::string message() const;

private:
    int code_;
    Fault fault_;
    std::string what_;
    std::string remedy_;
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> fail(Error error) {
    return tl::unexpected<Error>(std::move(error));
}

// The current errno with what was being done.
tl::unexpected<Error> fail_errno(std::string what);
// A mistake in what was asked for; no errno.
tl::unexpected<Error> fail_usage(std::string what);

}  // namespace bulkhead

// Returns the error of a Status or Result from the enclosing function.
#define BULKHEAD_TRY(expression)                                    \
    do {                                                            \
        if (auto try_result = (expression); !try_result)            \
            return ::bulkhead::fail(std::move(try_result).error()); \
    } while (false)

// Declares `name` with the value of a Result, or returns its error.
#define BULKHEAD_TRY_VALUE(name, expression)                       \
    auto name##_result = (expression);                             \
    if (!name##_result)                                            \
        return ::bulkhead::fail(std::move(name##_result).error()); \
    auto name = std::move(*name##_result)
