# bulkhead_bpf_skeleton(TARGET SOURCES…)
#
# Compiles each .bpf.c with clang, links the objects into one with `bpftool gen object` (which
# also strips DWARF), and makes <TARGET>.skel.h. TARGET becomes an interface library whose users
# see the skeleton and libbpf. Header dependencies are tracked through clang's own -MD files.
#
# vmlinux.h is made from BULKHEAD_BTF (default: the running kernel's). CO-RE carries the objects
# to other kernels.

find_program(BULKHEAD_CLANG NAMES clang REQUIRED)
find_program(BULKHEAD_BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)
set(BULKHEAD_BTF "/sys/kernel/btf/vmlinux" CACHE FILEPATH "kernel BTF that vmlinux.h is made from")

function(bulkhead_bpf_skeleton target)
  set(out "${CMAKE_CURRENT_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${out}")

  # Once for all skeletons of a directory.
  get_property(has_vmlinux DIRECTORY PROPERTY BULKHEAD_HAS_VMLINUX)
  if(NOT has_vmlinux)
    set_property(DIRECTORY PROPERTY BULKHEAD_HAS_VMLINUX TRUE)
    add_custom_command(
      OUTPUT "${out}/vmlinux.h"
      COMMAND "${BULKHEAD_BPFTOOL}" btf dump file "${BULKHEAD_BTF}" format c >
              "${out}/vmlinux.h.new"
      COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${out}/vmlinux.h.new" "${out}/vmlinux.h"
      DEPENDS "${BULKHEAD_BTF}"
      COMMENT "vmlinux.h from ${BULKHEAD_BTF}"
      VERBATIM)
  endif()

  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(arch arm64)
  else()
    set(arch x86)
  endif()
  set(objects)
  foreach(source IN LISTS ARGN)
    get_filename_component(name "${source}" NAME_WE)
    set(object "${out}/${name}.bpf.o")
    add_custom_command(
      OUTPUT "${object}"
      COMMAND
        "${BULKHEAD_CLANG}" -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_${arch} -Wall -Wextra
        -Werror -Wno-unused-parameter -Wno-missing-declarations -I "${out}"
        -I "${PROJECT_SOURCE_DIR}" -MD -MF "${object}.d" -MT "${object}" -c
        "${CMAKE_CURRENT_SOURCE_DIR}/${source}" -o "${object}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${source}" "${out}/vmlinux.h"
      DEPFILE "${object}.d"
      COMMENT "BPF ${source}"
      VERBATIM)
    list(APPEND objects "${object}")
  endforeach()

  add_custom_command(
    OUTPUT "${out}/${target}.skel.h"
    COMMAND "${BULKHEAD_BPFTOOL}" gen object "${out}/${target}.linked.o" ${objects}
    COMMAND "${BULKHEAD_BPFTOOL}" gen skeleton "${out}/${target}.linked.o" name ${target} >
            "${out}/${target}.skel.h"
    DEPENDS ${objects}
    COMMENT "BPF skeleton ${target}"
    VERBATIM)
  add_custom_target(${target}_generate DEPENDS "${out}/${target}.skel.h")

  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_generate)
  target_include_directories(${target} SYSTEM INTERFACE "${out}")
endfunction()
