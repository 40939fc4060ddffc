// Policies of a given size, as people write them: lists in the order of what they name.
#pragma once

#include <string>

#include "loader/result.h"

namespace bulkhead::bench {

inline constexpr int kFilesInDirectory = 100;

// Eight names: a file, and what leads to it.
std::string file_path(int number);

// Files: every other one may be read, the others are refused.
std::string path_rules(int count);
// Directories of eight names that may be read, and nothing else.
std::string directory_rules(int count);
// The file of this number in one of the `count` directories of these rules.
std::string path_beneath(int count, int number);

// Directories of eight names that are refused, and nothing else.
std::string refusals(int count);
// A file alone in its directory, which has eight names and lies beside what these rules name.
std::string path_beside(int count, int number);

// Directories of two names that may be read, and nothing else.
std::string top_rules(int count);
// A file alone in its directory, which has eight names and lies six below what these rules name.
std::string path_far_beneath(int count, int number);

// Networks of 256 addresses from 127.0.0.0 on, and nothing else.
// Directories of eight names that may be read, with none above them in common, and nothing else.
std::string separate_rules(int count);
// The file of this number's rule.
std::string path_of_rule(int number);

std::string network_rules(int count);

Status write_file(const std::string& path, const std::string& text);

}  // namespace bulkhead::bench
