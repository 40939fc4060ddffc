#include "tests/unit/disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

namespace bulkhead::tests {

namespace fs = std::filesystem;

void Disk::synced(pid_t pid, int descriptor) {
    const fs::path opened = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(descriptor);
    std::error_code error;
    const fs::path target = fs::read_symlink(opened, error);
    if (target == directory_)
        note_names();
    else if (target == directory_.parent_path())
        is_there_ = fs::exists(directory_);
    else if (target.parent_path() == directory_) {
        std::ifstream file(opened, std::ios::binary);
        note(opened).content.assign(std::istreambuf_iterator<char>(file), {});
    }
}

// The file, with nothing in it when it was not known.
Disk::File& Disk::note(const fs::path& path) {
    struct stat info {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
    File& file = files_[info.st_ino];
    if (!file.fd)
        file.fd = UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    return file;
}

void Disk::note_names() {
    names_.clear();
    for (const fs::directory_entry& entry : fs::directory_iterator(directory_)) {
        note(entry.path());
        struct stat info {};
        ::stat(entry.path().c_str(), &info);
        names_[entry.path().filename()] = info.st_ino;
    }
}

void Disk::leave(const fs::path& copy) const {
    fs::remove_all(copy);
    if (!is_there_)
        return;
    fs::create_directories(copy);
    for (const auto& [name, number] : names_)
        std::ofstream(copy / name, std::ios::binary) << files_.at(number).content;
}

void Disk::forget() {
    is_there_ = false;
    names_.clear();
    files_.clear();
}

}  // namespace bulkhead::tests
