#include "runtime/environment_name.h"

#include <algorithm>

#include "bpf/wire.h"

namespace bulkhead::runtime {
namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

}  // namespace

bool is_environment_name(std::string_view name) {
    return !name.empty() && name.size() < BH_NAME_BYTES && name.front() != '.' &&
           name.front() != '-' && std::all_of(name.begin(), name.end(), is_name_character);
}

}  // namespace bulkhead::runtime
