// Where a policy's text comes from.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "loader/coverage.h"
#include "loader/refusals.h"
#include "loader/unique_fd.h"
#include "runtime/policy/devices.h"
#include "runtime/policy/policy.h"
#include "runtime/policy/profiles.h"

namespace bulkhead::policy {
namespace {

// A policy with all its rules has less than a tenth of it.
constexpr std::size_t kMostBytes = 16UL << 20;

std::vector<std::string_view> profile_names() {
    std::vector<std::string_view> names;
    for (const Profile& profile : profiles())
        names.push_back(profile.name);
    return names;
}

std::string profile_list() {
    std::string list;
    for (const std::string_view name : profile_names())
        list += (list.empty() ? "" : ", ") + std::string(name);
    return list;
}

const Profile* find_profile(std::string_view name) {
    const auto all = profiles();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Profile& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

Source to_source(const Profile& profile) {
    return {"profile " + std::string(profile.name), std::string(profile.text)};
}

Result<Source> read_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0)
        return fail(Error(errno, path, Fault::kUsage));
    if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode))
        return fail(Error(0, path + " is no file", Fault::kUsage));
    Source source{path, ""};
    char buffer[16384];
    ssize_t got = 0;
    while ((got = ::read(file.get(), buffer, sizeof buffer)) > 0) {
        source.text.append(buffer, static_cast<std::size_t>(got));
        if (source.text.size() > kMostBytes)
            return fail(Error(EFBIG, path, Fault::kUsage));
    }
    if (got < 0)
        return fail(Error(errno, path, Fault::kUsage));
    return source;
}

// The profile that a text extends; "" for none. What is wrong in the text is found by compile().
std::pair<std::string, Place> extended_by(const Source& source) {
    // Without its first letter, of which paths have many.
    if (source.text.find("xtends") == std::string::npos)
        return {};
    Mistakes ignored;
    for (const Statement& statement : read_statements({source}, 0, ignored)) {
        if (statement.key->key == Key::kExtends)
            return {statement.value, statement.place};
    }
    return {};
}

}  // namespace

Result<std::vector<Source>> resolve(Source own) {
    std::vector<Source> sources = {std::move(own)};
    for (auto [name, place] = extended_by(sources.front()); !name.empty();
         std::tie(name, place) = extended_by(sources.front())) {
        const Profile* profile = find_profile(name);
        std::string wrong;
        if (profile == nullptr)
            wrong = "no profile is named \"" + name + "\"" + did_you_mean(name, profile_names());
        else if (sources.size() > profiles().size())
            wrong = "\"" + name + "\" extends itself";
        if (!wrong.empty())
            return fail(Error(0, describe({sources.front()}, place) + ": " + wrong, Fault::kUsage)
                            .advise("profiles are " + profile_list()));
        sources.insert(sources.begin(), to_source(*profile));
    }
    return sources;
}

Result<Policy> load(const std::string& name) {
    Source own;
    if (name.find('/') != std::string::npos || name.ends_with(".toml")) {
        BULKHEAD_TRY_VALUE(file, read_file(name));
        own = std::move(file);
    } else if (const Profile* profile = find_profile(name); profile != nullptr) {
        own = to_source(*profile);
    } else {
        return fail(
            Error(0, "no profile is named \"" + name + "\"" + did_you_mean(name, profile_names()),
                  Fault::kUsage)
                .advise("profiles are " + profile_list() +
                        "; a file is named with its path, such as ./" + name));
    }
    BULKHEAD_TRY_VALUE(sources, resolve(std::move(own)));
    return compile(std::move(sources));
}

Result<Policy> load_enforced(const std::string& name) {
    // Reading a profile that says nothing would cost a start more than mapping its records.
    if (name == "default")
        return Policy{};
    BULKHEAD_TRY_VALUE(policy, load(name));
    const loader::Rules& rules = policy.rules;
    for (unsigned id = BH_FIRST_POLICY_CLASS; id < BH_CLASS_COUNT; ++id) {
        const auto class_id = static_cast<bh_class>(id);
        if (BH_CONTROL_REFUSES(rules.control, id) && !loader::is_enforced(class_id))
            return fail(Error(0, name + " asks for " + loader::class_name(id) + ": not enforced",
                              Fault::kUnsupported)
                            .advise("docs/policy.md says what can be asked for"));
    }
    BULKHEAD_TRY(find_devices(policy));
    return policy;
}

}  // namespace bulkhead::policy
