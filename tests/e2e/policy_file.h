// A policy for an environment that the installed program starts, and acts inside.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/e2e/bulkhead.h"

namespace bulkhead::tests {

// A policy in a file of its own.
class PolicyFile {
public:
    PolicyFile(const std::string& name, const std::string& text) : path_("/tmp/" + name + ".toml") {
        std::ofstream(path_) << text;
    }
    PolicyFile(const PolicyFile&) = delete;
    PolicyFile& operator=(const PolicyFile&) = delete;
    ~PolicyFile() { std::filesystem::remove(path_); }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

// `script` by a shell inside.
inline Outcome exec(const std::string& name, const std::string& script) {
    return bulkhead({"exec", name, "--", "bash", "-c", script});
}

}  // namespace bulkhead::tests
