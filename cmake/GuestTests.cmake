# Tests that run in guests (tests/vm/run), one ctest test for each GoogleTest case on each kernel.
#
#   add_guest_suite(TIER kernel TARGET kernel_tests [KERNELS 6.12…] [TIMEOUT seconds] [COST seconds] [ICOUNT])
#     guest-kernel-6.12            boots one guest and runs the whole binary in it (fixture of the others)
#     kernel-6.12.guest            the guest lived to the end
#     kernel-6.12.Suite.Case       the case ran there and passed
#   KERNELS: these only, instead of the whole matrix. COST: about how long it takes; the longest begin.
#   ICOUNT: the guest's clock counts instructions.
#
#   add_without_suite(TARGET kernel_tests KERNEL 6.12)
#     guest-without-6.12           one guest in which each BPF program that belongs there is left out once
#     without-6.12.bh_task_kill    a case noticed that
#
# The binary is asked for its cases after it is built; ctest reads that list when it starts.
#
# As many guests run at once as tests/vm/slots.json says, the longest first: twice as many as there are cores, for a
# guest waits half of its time.

file(STRINGS "${PROJECT_SOURCE_DIR}/tests/vm/kernels" BULKHEAD_KERNELS REGEX "^[0-9]")
list(TRANSFORM BULKHEAD_KERNELS REPLACE " .*" "")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/vm/kernels")

function(_bulkhead_guest_include name)
  set(tests "${CMAKE_CURRENT_BINARY_DIR}/${target}-${name}${ARGN}.cmake")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/${name}.cmake.in" "${tests}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${tests}")
endfunction()

function(add_guest_suite)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ICOUNT" "TIER;TARGET;TIMEOUT;COST" "KERNELS")
  set(target "${arg_TARGET}")
  set(kernels ${BULKHEAD_KERNELS})
  if(arg_KERNELS)
    set(kernels ${arg_KERNELS})
  endif()
  set(icount)
  if(arg_ICOUNT)
    set(icount --icount)
  endif()
  set(tier "${arg_TIER}")
  set(timeout 1500)
  if(arg_TIMEOUT)
    set(timeout "${arg_TIMEOUT}")
  endif()
  set(cost 0)
  if(arg_COST)
    set(cost "${arg_COST}")
  endif()
  math(EXPR limit "${timeout} + 400")
  set(lists "${CMAKE_CURRENT_BINARY_DIR}/${target}")
  add_custom_command(
    TARGET ${target}
    POST_BUILD
    COMMAND "${PROJECT_SOURCE_DIR}/tests/vm/list" "$<TARGET_FILE:${target}>" "${lists}.cases"
    COMMENT "Cases of ${target}"
    VERBATIM)
  set(binary "${CMAKE_CURRENT_BINARY_DIR}/${target}")
  _bulkhead_guest_include(GuestSuite)
endfunction()

function(add_without_suite)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;KERNEL" "")
  set(target "${arg_TARGET}")
  set(kernel "${arg_KERNEL}")
  set(binary "${CMAKE_CURRENT_BINARY_DIR}/${target}")
  set(list "${binary}-${kernel}.programs")
  add_custom_command(
    TARGET ${target}
    POST_BUILD
    COMMAND "${binary}" --list-programs "${kernel}" > "${list}"
    COMMENT "Programs of ${target} to leave out on ${kernel}"
    VERBATIM)
  _bulkhead_guest_include("WithoutSuite" "-${kernel}")
endfunction()
