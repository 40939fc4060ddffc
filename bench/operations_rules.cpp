#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/operations.h"
#include "bench/policies.h"

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

Act open_again() {
    const std::string path = path_beneath(kPathRules, 0);
    ::close(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return [path] { ::close(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); };
}

// Each file once: it ends rather than open one again.
Act open_each(std::vector<std::string> paths) {
    return [paths = std::move(paths), next = std::size_t{0}]() mutable {
        if (next == paths.size())
            std::abort();
        ::close(::open(paths[next++].c_str(), O_RDONLY | O_CLOEXEC));
    };
}

template <auto path_of>
Act open_new() {
    std::vector<std::string> paths;
    paths.reserve(kNewFiles);
    for (int i = 0; i < kNewFiles; ++i)
        paths.push_back(path_of(kPathRules, i));
    return open_each(std::move(paths));
}

Act open_first() {
    std::vector<std::string> paths;
    paths.reserve(kSeparateRules);
    for (int i = 0; i < kSeparateRules; ++i)
        paths.push_back(path_of_rule(i));
    return open_each(std::move(paths));
}

// As far as the hooks that judge the file: nothing the kernel knows begins like it.
Act try_exec() {
    return [] {
        std::array<char*, 1> none = {nullptr};
        ::execve(kNoProgram, none.data(), none.data());
    };
}

}  // namespace

std::span<const Operation> rule_operations() {
    static constexpr std::array kOperations = {
        Operation{"open_again", 50, open_again},
        Operation{"open_new", 50, open_new<path_beneath>},
        Operation{"open_beside", 50, open_new<path_beside>},
        Operation{"open_far", 50, open_new<path_far_beneath>},
        Operation{"open_first", 1, open_first},
        Operation{"try_exec", 20, try_exec},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
