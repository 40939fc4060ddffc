# Makes a test program build in half of the time. What a case does takes the kernel's time, or the product's: nothing is
# gained by optimising the case. The headers that most cases have are read once (clang-tidy reads each file without them,
# so that none lacks an include).
#
#   bulkhead_test_program(TARGET [<header>…])
function(bulkhead_test_program target)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-O0>")
  target_precompile_headers(${target} PRIVATE
    <gtest/gtest.h> <algorithm> <cstdint> <filesystem> <functional> <map> <optional> <string> <vector> ${ARGN})
endfunction()
