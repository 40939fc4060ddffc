// A directory as a power cut leaves it, by the least that a file system promises: what was written
// to a file is there when that was synchronised, its name when the directory was, and the directory
// when the one above was. What came later is as if it had not been.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>

#include "loader/unique_fd.h"

namespace bulkhead::tests {

class Disk {
public:
    explicit Disk(std::filesystem::path directory) : directory_(std::move(directory)) {}

    // Process `pid`, which is stopped, has synchronised its descriptor.
    void synced(pid_t pid, int descriptor);

    // What is there after a power cut, as `copy`.
    void leave(const std::filesystem::path& copy) const;

    void forget();

private:
    struct File {
        UniqueFd fd;  // keeps the number from being used for another file
        std::string content;
    };

    void note_names();
    File& note(const std::filesystem::path& path);

    std::filesystem::path directory_;
    bool is_there_ = false;
    std::map<std::string, ino_t> names_;
    std::map<ino_t, File> files_;
};

}  // namespace bulkhead::tests
