#include "runtime/learned_record.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "loader/unique_fd.h"
#include "runtime/learned.h"
#include "runtime/life.h"
#include "runtime/policy/generalise.h"
#include "runtime/policy_record.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

namespace fs = std::filesystem;

// Texts of policies are kept for so many generations.
constexpr std::uint32_t kGenerations = 8;

std::string mounts_path(const std::string& name) {
    return state_path(name) + "/learn.mounts";
}

std::string names_path(const std::string& name) {
    return state_path(name) + "/learn.root";
}

Result<std::string> read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file || (file.peek() != std::ifstream::traits_type::eof() && !(text << file.rdbuf())))
        return fail_errno("read " + path);
    return text.str();
}

Status write_text(const std::string& path, std::string_view text) {
    const UniqueFd file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file)
        return fail_errno("make " + path);
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written < 0)
            return fail_errno("write " + path);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

// Of directories and files, each with a zero byte behind it; links lead to one of them.
std::string names_in_root(pid_t process) {
    std::string names;
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator("/proc/" + std::to_string(process) + "/root/", error)) {
        std::error_code ignored;
        if (!entry.is_symlink(ignored))
            names += entry.path().filename().string() + '\0';
    }
    return names;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> names;
    std::istringstream rest(text);
    for (std::string name; std::getline(rest, name, '\0');)
        names.push_back(name);
    return names;
}

// What holds now if that learns, else what did last.
Result<policy::Policy> learning_policy(const std::string& name, std::uint32_t generation) {
    for (std::uint32_t i = 0; i < kGenerations && i < generation; ++i) {
        BULKHEAD_TRY_VALUE(kept, kept_policy(name, generation - i));
        if (kept && kept->rules.policy.learned != 0)
            return std::move(*kept);
    }
    return policy::load("learn");
}

Error nothing_learned(const std::string& name) {
    return Error(ENOENT, name + " has learned nothing")
        .advise("bulkhead set " + name + " --mode learn, or start it with --policy learn");
}

}  // namespace

Status note_root(const std::string& name, pid_t process, const loader::Rules& rules) {
    if (rules.policy.learned == 0)
        return {};
    BULKHEAD_TRY_VALUE(mounts, read_text("/proc/" + std::to_string(process) + "/mountinfo"));
    BULKHEAD_TRY(write_text(mounts_path(name), mounts));
    return write_text(names_path(name), names_in_root(process));
}

Result<LearnedPolicy> learned_policy(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    const bh_state* state = environments.state(label);
    if (state == nullptr || (state->learned == 0 && state->unlearned == 0))
        return fail(nothing_learned(name));
    const std::uint64_t lost = state->unlearned;
    BULKHEAD_TRY_VALUE(mounts, read_text(mounts_path(name)));
    BULKHEAD_TRY_VALUE(names, read_text(names_path(name)));
    BULKHEAD_TRY_VALUE(rows, loader::read_learned(label));
    policy::Observations seen = observe(rows, parse_mounts(mounts), lost);
    seen.root = split(names);
    const auto generation =
        static_cast<std::uint32_t>(BH_CONTROL_GENERATION(environments.record(label)->control));
    BULKHEAD_TRY_VALUE(learning, learning_policy(name, generation));
    return LearnedPolicy{policy::learned_text(seen, learning), lost};
}

Status write_learned(const LearnedPolicy& learned, const std::string& path) {
    const std::string fresh = path + ".new";
    BULKHEAD_TRY(write_text(fresh, learned.text));
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return fail_errno("replace " + path);
    return {};
}

Status store_learned(const loader::Environments& environments, const EnvironmentSpec& spec) {
    if (spec.learned_path.empty() || !environments.find(spec.name))
        return {};
    BULKHEAD_TRY_VALUE(learned, learned_policy(spec.name));
    return write_learned(learned, spec.learned_path);
}

}  // namespace bulkhead::runtime
