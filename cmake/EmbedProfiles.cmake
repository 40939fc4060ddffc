# cmake -D OUTPUT=FILE -D PROFILES="A.toml;B.toml" -P EmbedProfiles.cmake
# Writes the C++ file that defines bulkhead::policy::profiles(), a raw string for each profile.
set(rows "")
foreach(file IN LISTS PROFILES)
  get_filename_component(name "${file}" NAME_WE)
  file(READ "${file}" text)
  string(APPEND rows "    Profile{\"${name}\", R\"profile(${text})profile\"},\n")
endforeach()
list(LENGTH PROFILES count)
file(WRITE "${OUTPUT}"
"#include \"runtime/policy/profiles.h\"

#include <array>

namespace bulkhead::policy {

std::span<const Profile> profiles() {
    static constexpr std::array<Profile, ${count}> kProfiles = {{
${rows}    }};
    return kProfiles;
}

}  // namespace bulkhead::policy
")
