#include "loader/result.h"

#include <string.h>

#include <cerrno>

namespace bulkhead {

Error Error::from_errno(std::string what) {
    return Error(errno, std::move(what));
}

Error Error::within(std::string_view context) && {
    what_ = std::string(context) + ": " + what_;
    return std::move(*this);
}

Error Error::advise(std::string remedy) && {
    remedy_ = std::move(remedy);
    return std::move(*this);
}

std::string Error::message() const {
    std::string text = what_;
    if (code_ != 0)
        text += std::string(": ") + strerrordesc_np(code_);
    if (!remedy_.empty())
        text += "\n  " + remedy_;
    return text;
}

tl::unexpected<Error> fail_errno(std::string what) {
    return fail(Error::from_errno(std::move(what)));
}

tl::unexpected<Error> fail_usage(std::string what) {
    return fail(Error(0, std::move(what), Fault::kUsage));
}

}  // namespace bulkhead
