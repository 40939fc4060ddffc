# Libraries, all from the distribution. libbpf, libelf and zlib are linked statically: the start
# path of an environment pays for every shared object that ld.so has to map and relocate.
find_package(PkgConfig REQUIRED)

find_library(LIBBPF_ARCHIVE NAMES libbpf.a REQUIRED)
find_library(LIBELF_ARCHIVE NAMES libelf.a REQUIRED)
find_library(ZLIB_ARCHIVE NAMES libz.a REQUIRED)
find_library(ZSTD_ARCHIVE NAMES libzstd.a)
find_library(SQLITE_ARCHIVE NAMES libsqlite3.a REQUIRED)

add_library(bulkhead_libbpf INTERFACE)
set(libelf "${LIBELF_ARCHIVE}" "${ZLIB_ARCHIVE}")
if(ZSTD_ARCHIVE)
  list(APPEND libelf "${ZSTD_ARCHIVE}")
endif()
# trixie's libelf.a (0.192) refers to functions that no package has: there the shared one serves.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES "${libelf}")
check_c_source_compiles("extern int elf_end(void*); int main(void) { return elf_end(0); }"
                        LIBELF_ARCHIVE_IS_COMPLETE)
unset(CMAKE_REQUIRED_LIBRARIES)
if(NOT LIBELF_ARCHIVE_IS_COMPLETE)
  find_library(LIBELF_SHARED NAMES libelf.so REQUIRED)
  set(libelf "${LIBELF_SHARED}" "${ZLIB_ARCHIVE}")
endif()
target_link_libraries(bulkhead_libbpf INTERFACE "${LIBBPF_ARCHIVE}" ${libelf})

find_path(EXPECTED_INCLUDE NAMES tl/expected.hpp REQUIRED)
find_path(CLI11_INCLUDE NAMES CLI/CLI.hpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
# The agent's own, shared: metrics, HTTP with TLS, its web configuration, passwords.
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
find_package(ZLIB REQUIRED)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(YAML_CPP REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
find_library(CRYPT_LIBRARY NAMES crypt REQUIRED)
