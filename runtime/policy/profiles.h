// The policies that the program brings along, as texts.
#pragma once

#include <span>
#include <string_view>

namespace bulkhead::policy {

struct Profile {
    std::string_view name;
    std::string_view text;
};

// By name. Defined in the file that cmake/EmbedProfiles.cmake makes of runtime/profiles/.
std::span<const Profile> profiles();

}  // namespace bulkhead::policy
