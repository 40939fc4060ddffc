#include "runtime/policy_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "loader/unique_fd.h"
#include "runtime/life.h"
#include "runtime/policy/profiles.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "policy.";
constexpr std::size_t kKept = 8;
constexpr std::string_view kEnvironment = "environment:";

std::string path_of(const std::string& name, std::uint32_t generation) {
    return state_path(name) + "/" + std::string(kPrefix) + std::to_string(generation);
}

// Generations of which a text is kept, the newest first.
std::vector<std::uint32_t> kept_generations(const std::string& name) {
    std::vector<std::uint32_t> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(state_path(name), error)) {
        const std::string file = entry.path().filename();
        if (!file.starts_with(kPrefix))
            continue;
        std::uint32_t generation = 0;
        const char* end = file.data() + file.size();
        const auto parsed = std::from_chars(file.data() + kPrefix.size(), end, generation);
        if (parsed.ec == std::errc() && parsed.ptr == end)
            found.push_back(generation);
    }
    std::sort(found.rbegin(), found.rend());
    return found;
}

// NAME-BYTES TEXT-BYTES, a new line, then both; for each source.
std::string to_bytes(const std::vector<policy::Source>& sources) {
    std::string bytes;
    for (const policy::Source& source : sources)
        bytes += std::to_string(source.name.size()) + " " + std::to_string(source.text.size()) +
                 "\n" + source.name + source.text;
    return bytes;
}

bool take_size(std::string_view& rest, char end, std::size_t& size) {
    const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    const auto used = static_cast<std::size_t>(parsed.ptr - rest.data());
    if (parsed.ec != std::errc() || used == rest.size() || rest[used] != end)
        return false;
    rest.remove_prefix(used + 1);
    return true;
}

Result<std::vector<policy::Source>> from_bytes(std::string_view bytes, const std::string& path) {
    std::vector<policy::Source> sources;
    while (!bytes.empty()) {
        std::size_t name = 0, text = 0;
        if (!take_size(bytes, ' ', name) || !take_size(bytes, '\n', text) || name > bytes.size() ||
            text > bytes.size() - name)
            return fail(Error(EBADMSG, path));
        sources.push_back(
            {std::string(bytes.substr(0, name)), std::string(bytes.substr(name, text))});
        bytes.remove_prefix(name + text);
    }
    return sources;
}

Status write_file(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    const UniqueFd file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file)
        return fail_errno("make " + fresh);
    for (std::size_t written = 0; written < text.size();) {
        const ssize_t got = ::write(file.get(), text.data() + written, text.size() - written);
        if (got < 0)
            return fail_errno("write " + fresh);
        written += static_cast<std::size_t>(got);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return fail_errno("replace " + path);
    return {};
}

Result<std::string> read_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file)
        return fail_errno(path);
    std::string text;
    char buffer[16384];
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    if (got < 0)
        return fail_errno(path);
    return text;
}

Result<policy::Policy> policy_of_environment(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    const auto generation =
        static_cast<std::uint32_t>(BH_CONTROL_GENERATION(environments.record(label)->control));
    BULKHEAD_TRY_VALUE(kept, kept_policy(name, generation));
    if (kept)
        return std::move(*kept);
    return policy::load("default");
}

bool is_profile(const std::string& name) {
    const auto all = policy::profiles();
    return std::any_of(all.begin(), all.end(),
                       [&](const policy::Profile& one) { return one.name == name; });
}

}  // namespace

Status keep_policy(const std::string& name, std::uint32_t generation,
                   const std::vector<policy::Source>& sources) {
    BULKHEAD_TRY(write_file(path_of(name, generation), to_bytes(sources)));
    const auto generations = kept_generations(name);
    for (std::size_t i = kKept; i < generations.size(); ++i)
        ::unlink(path_of(name, generations[i]).c_str());
    return {};
}

Status keep_policy(const std::string& name, const PolicySpec& started_with) {
    if (started_with.sources.empty())
        return {};
    const auto generation = BH_CONTROL_GENERATION(started_with.rules.control);
    return keep_policy(name, static_cast<std::uint32_t>(generation), started_with.sources);
}

Result<std::optional<policy::Policy>> kept_policy(const std::string& name,
                                                  std::uint32_t generation) {
    const auto generations = kept_generations(name);
    const auto kept = std::find_if(generations.begin(), generations.end(),
                                   [&](std::uint32_t one) { return one <= generation; });
    if (kept == generations.end())
        return std::optional<policy::Policy>{};
    const std::string path = path_of(name, *kept);
    BULKHEAD_TRY_VALUE(bytes, read_file(path));
    BULKHEAD_TRY_VALUE(sources, from_bytes(bytes, path));
    BULKHEAD_TRY_VALUE(policy, policy::compile(std::move(sources)));
    return std::optional(std::move(policy));
}

Result<policy::Policy> find_policy(const std::string& name) {
    if (name.starts_with(kEnvironment))
        return policy_of_environment(name.substr(kEnvironment.size()));
    const bool is_file = name.find('/') != std::string::npos || name.ends_with(".toml");
    if (is_file || is_profile(name))
        return policy::load(name);
    auto found = policy_of_environment(name);
    return found ? std::move(found) : policy::load(name);
}

}  // namespace bulkhead::runtime
