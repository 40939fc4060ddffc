#include "loader/libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace bulkhead::loader {
namespace {

std::string& kept() {
    static std::string log;
    return log;
}

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level > LIBBPF_WARN)
        return 0;
    char* text = nullptr;
    const int bytes = ::vasprintf(&text, format, arguments);
    if (bytes >= 0) {
        kept() += text;
        std::free(text);
    }
    return bytes;
}

}  // namespace

void keep_libbpf_log() {
    kept().clear();
    libbpf_set_print(keep);
}

std::string libbpf_log_tail() {
    constexpr std::size_t kTail = 1500;
    const std::string& log = kept();
    return log.size() > kTail ? log.substr(log.size() - kTail) : log;
}

}  // namespace bulkhead::loader
