#include "bench/policies.h"

#include <filesystem>
#include <fstream>

namespace bulkhead::bench {
namespace {

namespace fs = std::filesystem;

std::string release_path(int number) {
    return "/srv/www/customers/example/releases/" + std::to_string(number) + "/public";
}

std::string directory_path(int number) {
    return release_path(number) + "/shown";
}

std::string top_path(int number) {
    return "/srv/customer-" + std::to_string(number);
}

std::string separate_path(int number) {
    return "/site-" + std::to_string(number) + "/www/customers/example/releases/1/public/shown";
}

std::string network(int number) {
    return "127." + std::to_string(number / 256) + "." + std::to_string(number % 256) + ".0/24";
}

template <typename TextOf>
std::string list(const std::string& key, int first, int step, int count, TextOf text_of) {
    std::string text = key + " = [\n";
    for (int i = first; i < count; i += step)
        text += "  \"" + text_of(i) + "\",\n";
    return text + "]\n";
}

}  // namespace

std::string file_path(int number) {
    return release_path(number / kFilesInDirectory) + "/file-" +
           std::to_string(number % kFilesInDirectory);
}

std::string path_rules(int count) {
    return "[files]\n" + list("read", 0, 2, count, file_path) +
           list("refuse", 1, 2, count, file_path);
}

std::string directory_rules(int count) {
    return "[files]\ndefault = \"refuse\"\n" + list("read", 0, 1, count, directory_path);
}

std::string path_beneath(int count, int number) {
    return directory_path(number % count) + "/file-" + std::to_string(number / count);
}

std::string refusals(int count) {
    return "[files]\n" + list("refuse", 0, 1, count, directory_path);
}

std::string path_beside(int count, int number) {
    return release_path(number % count) + "/new-" + std::to_string(number / count) + "/file";
}

std::string top_rules(int count) {
    return "[files]\ndefault = \"refuse\"\n" + list("read", 0, 1, count, top_path);
}

std::string path_far_beneath(int count, int number) {
    return top_path(number % count) + "/www/example/releases/1/public/new-" +
           std::to_string(number / count) + "/file";
}

std::string separate_rules(int count) {
    return "[files]\ndefault = \"refuse\"\n" + list("read", 0, 1, count, separate_path);
}

std::string path_of_rule(int number) {
    return separate_path(number) + "/file";
}

std::string network_rules(int count) {
    return "[network]\ndefault = \"refuse\"\n" + list("allow", 0, 1, count, network);
}

Status write_file(const std::string& path, const std::string& text) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    std::ofstream file(path);
    file << text;
    file.flush();
    if (!file)
        return fail_errno("write " + path);
    return {};
}

}  // namespace bulkhead::bench
