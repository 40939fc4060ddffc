# The libraries' headers that most sources have are read once for a target: a quarter of its build. clang-tidy reads each
# source without them, so that none lacks an include.
#
#   bulkhead_precompile(TARGET…)
function(bulkhead_precompile)
  foreach(target IN LISTS ARGN)
    target_precompile_headers(${target} PRIVATE <algorithm> <array> <cstdint> <functional> <map> <memory> <optional>
      <set> <span> <string> <string_view> <tl/expected.hpp> <utility> <variant> <vector>)
    # g++ 12 forgets that such headers are the system's, and warns of the copies in std::string operator+ (PR 105651).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      target_compile_options(${target} PRIVATE
        -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
    endif()
  endforeach()
endfunction()
