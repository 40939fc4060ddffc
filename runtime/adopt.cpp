#include "runtime/adopt.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>

#include "loader/adoption.h"
#include "loader/cgroup_programs.h"
#include "loader/pins.h"
#include "runtime/adopt_target.h"
#include "runtime/apply.h"
#include "runtime/budgets_record.h"
#include "runtime/cgroup.h"
#include "runtime/clock.h"
#include "runtime/core_dumps.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/learned_record.h"
#include "runtime/life.h"
#include "runtime/policy_record.h"
#include "runtime/receipts.h"
#include "runtime/start.h"
#include "runtime/store.h"
#include "runtime/tree_paths.h"

namespace bulkhead::runtime {
namespace {

using UnixSockets = loader::MapView<int, bh_label>;

std::string default_name(const std::string& cgroup) {
    return std::filesystem::path(cgroup).filename();
}

// The sockets that a process made before it was adopted count as its environment's from now on,
// so that its own workers can reach them.
void label_sockets_of(pid_t pid, const UnixSockets& sockets, bh_label label) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    std::error_code error;
    const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        const std::string target = std::filesystem::read_symlink(entry.path(), error);
        if (!target.starts_with("socket:"))
            continue;
        int number = -1;
        const std::string text = entry.path().filename();
        std::from_chars(text.data(), text.data() + text.size(), number);
        const UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0)));
        int family = 0;
        socklen_t bytes = sizeof family;
        if (copy && ::getsockopt(copy.get(), SOL_SOCKET, SO_DOMAIN, &family, &bytes) == 0 &&
            family == AF_UNIX)
            (void)sockets.put(copy.get(), label);
    }
}

// Stands still while it is released: a fork that began with the label must not end without the
// pass.
class Freeze {
public:
    static Result<Freeze> take(const std::string& cgroup) {
        Freeze freeze;
        freeze.directory_.reset(::open((std::string(kCgroupRoot) + cgroup).c_str(),
                                       O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        freeze.switch_.reset(
            ::openat(freeze.directory_.get(), "cgroup.freeze", O_RDWR | O_CLOEXEC));
        if (!freeze.switch_)
            return fail_errno("open cgroup.freeze of " + cgroup);
        char before = '0';
        if (::pread(freeze.switch_.get(), &before, 1, 0) != 1)
            return fail_errno("read cgroup.freeze of " + cgroup);
        if (before == '1')
            freeze.thaw_ = false;
        else if (::write(freeze.switch_.get(), "1", 1) != 1)
            return fail_errno("freeze the cgroup " + cgroup);
        BULKHEAD_TRY(freeze.wait(cgroup));
        return freeze;
    }
    Freeze(Freeze&&) noexcept = default;
    Freeze& operator=(Freeze&&) = delete;
    ~Freeze() {
        if (switch_ && thaw_)
            (void)!::write(switch_.get(), "0", 1);
    }

private:
    Freeze() = default;

    Status wait(const std::string& cgroup) const {
        constexpr int kPatienceMs = 10'000;
        const UniqueFd events(::openat(directory_.get(), "cgroup.events", O_RDONLY | O_CLOEXEC));
        while (true) {
            char text[128];
            const ssize_t got = ::pread(events.get(), text, sizeof text, 0);
            if (got < 0)
                return fail_errno("read cgroup.events of " + cgroup);
            const std::string_view now(text, static_cast<std::size_t>(got));
            if (now.find("frozen 1") != std::string_view::npos ||
                now.find("populated 0") != std::string_view::npos)
                return {};
            pollfd changed{events.get(), POLLPRI, 0};
            if (::poll(&changed, 1, kPatienceMs) == 0)
                return fail(Error(EAGAIN, "the processes in " + cgroup + " do not come to rest")
                                .advise("one of them waits for a device; try again later"));
        }
    }

    UniqueFd directory_;
    UniqueFd switch_;
    bool thaw_ = true;
};

// One that was never adopted to the end used nothing that is its own.
enum class Adoption { kFailed, kComplete };

Status release_all(loader::Environments& environments, bh_label label, const std::string& cgroup,
                   Adoption adoption) {
    const auto frozen = Freeze::take(cgroup);
    if (!frozen && frozen.error().code() != ENOENT)
        return fail(frozen.error());
    if (adoption == Adoption::kComplete) {
        UniqueFd directory(::open((std::string(kCgroupRoot) + cgroup).c_str(),
                                  O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        BULKHEAD_TRY(directory
                         ? store_final(environments, label, Cgroup::over(std::move(directory)), {})
                         : store_last_read(environments, label, {}));
    }
    BULKHEAD_TRY(keep_budgets(environments, label));
    return loader::release_tasks(environments, label);
}

std::uint32_t level_of(const std::string& cgroup) {
    return static_cast<std::uint32_t>(std::count(cgroup.begin(), cgroup.end(), '/'));
}

// One adoption, step by step. What was done is undone by the destructor unless it came to its end.
class Adopter {
public:
    Adopter(const AdoptSpec& spec, loader::Environments& environments)
        : spec_(spec), environments_(environments) {}
    Adopter(const Adopter&) = delete;
    Adopter& operator=(const Adopter&) = delete;

    ~Adopter() {
        if (done_)
            return;
        // A record that was not published is withdrawn all the same.
        if (label_.serial != 0)
            (void)release_all(environments_, label_, cgroup_, Adoption::kFailed);
        if (directory_)
            (void)remove_state(name_);
    }

    Status look() {
        BULKHEAD_TRY_VALUE(cgroup, resolve_target(spec_.target));
        cgroup_ = std::move(cgroup);
        name_ = spec_.name.empty() ? default_name(cgroup_) : spec_.name;
        if (const auto valid = validate_name(name_); !valid)
            return fail(Error(valid.error()).advise("choose one with --name"));
        BULKHEAD_TRY(refuse_overlap());
        BULKHEAD_TRY_VALUE(pids, processes_in(cgroup_));
        first_ = pids.front();
        return describe_processes(pids, record_);
    }

    Status take_name() {
        auto directory = StateDirectory::create(name_);
        if (!directory && directory.error().code() == EEXIST)
            return fail(Error(EEXIST, "the name " + name_ + " is taken")
                            .advise("choose another with --name"));
        if (!directory)
            return fail(std::move(directory).error());
        directory_.emplace(std::move(*directory));
        BULKHEAD_TRY_VALUE(label, reserve_or_load(environments_, name_));
        label_ = label;
        return {};
    }

    // Remembered before it takes effect: who finds it half-way can undo it.
    Status remember() {
        EnvironmentState state;
        state.spec.name = name_;
        state.spec.adopted_cgroup = cgroup_;
        state.spec.policy = spec_.policy;
        state.spec.root = {RootKind::kRootfs, "/"};
        state.spec.network =
            (record_.flags & BH_ENV_HOST_NETWORK) != 0 ? NetworkKind::kHost : NetworkKind::kNone;
        state.label = label_;
        state.started_ns = boot_time_ns();
        state.started_at = rfc3339(unix_ns_of_boot_ns(state.started_ns));
        BULKHEAD_TRY(directory_->save(state));
        return keep_policy(name_, spec_.policy);
    }

    Status publish() {
        struct stat info {};
        if (::stat((std::string(kCgroupRoot) + cgroup_).c_str(), &info) != 0)
            return fail_errno("stat the cgroup " + cgroup_);
        record_.flags |= BH_ENV_ADOPTED;
        record_.cgroup_id = info.st_ino;
        record_.cgroup_level = level_of(cgroup_);
        record_.started_ns = boot_time_ns();
        loader::Rules rules = started_now(spec_.policy.rules);
        BULKHEAD_TRY(place_rules(rules, first_, spec_.policy.sources));
        BULKHEAD_TRY(note_root(name_, first_, rules));
        return environments_.publish(label_, record_, rules);
    }

    Status label_all() {
        BULKHEAD_TRY(loader::adopt_tasks(environments_, label_));
        auto sockets = loader::open_pinned_map<int, bh_label>("bh_socks");
        if (!sockets)
            return fail(std::move(sockets).error());
        BULKHEAD_TRY_VALUE(pids, processes_in(cgroup_));
        for (const pid_t pid : pids)
            label_sockets_of(pid, *sockets, label_);
        return settle_core_dumps(cgroup_, spec_.policy.rules.control);
    }

    std::string finish() {
        done_ = true;
        return name_;
    }

private:
    // A task has one label: adopted cgroups do not lie in each other.
    Status refuse_overlap() {
        std::optional<Error> overlap;
        environments_.for_each([&](bh_label, const bh_environment& record) {
            if ((record.flags & BH_ENV_ADOPTED) == 0)
                return;
            const auto directory = StateDirectory::open(record.name);
            const auto state = directory ? directory->load() : fail(Error(ENOENT, "no state"));
            if (!state)
                return;
            const std::string other = state->spec.adopted_cgroup + "/";
            const std::string mine = cgroup_ + "/";
            if (other.starts_with(mine) || mine.starts_with(other))
                overlap = Error(EEXIST,
                                "the cgroup " + cgroup_ + " overlaps with that of " +
                                    std::string(record.name),
                                Fault::kUsage)
                              .advise("bulkhead release " + std::string(record.name));
        });
        return overlap ? Status(fail(*overlap)) : Status{};
    }

    const AdoptSpec& spec_;
    loader::Environments& environments_;
    std::string cgroup_;
    std::string name_;
    pid_t first_ = 0;  // a process there, whose root is the environment's
    std::optional<StateDirectory> directory_;
    bh_label label_{};
    bh_environment record_{};
    bool done_ = false;
};

}  // namespace

Result<std::string> adopt(const AdoptSpec& spec) {
    BULKHEAD_TRY(prepare_state_root());
    BULKHEAD_TRY_VALUE(environments, open_or_load());
    Adopter adopter(spec, environments);
    BULKHEAD_TRY(adopter.look());
    BULKHEAD_TRY(adopter.take_name());
    BULKHEAD_TRY(adopter.remember());
    BULKHEAD_TRY(adopter.publish());
    BULKHEAD_TRY(adopter.label_all());
    std::string name = adopter.finish();
    tell("adopted", name, {{"target", spec.target}});
    return name;
}

Status release(const std::string& name) {
    BULKHEAD_TRY_VALUE(environments, open_loaded());
    BULKHEAD_TRY_VALUE(label, find_environment(environments, name));
    if ((environments.record(label)->flags & BH_ENV_ADOPTED) == 0)
        return fail(Error(0, name + " was not adopted: it was made here", Fault::kUsage)
                        .advise("bulkhead stop " + name));
    BULKHEAD_TRY_VALUE(directory, StateDirectory::open(name));
    BULKHEAD_TRY_VALUE(state, directory.load());
    BULKHEAD_TRY(release_all(environments, label, state.spec.adopted_cgroup, Adoption::kComplete));
    BULKHEAD_TRY(remove_state(name));
    tell("released", name, Json::object());
    return {};
}

Result<bool> sweep_adopted(loader::Environments& environments, bh_label label,
                           const bh_environment& record) {
    if (const auto cgroup = loader::open_cgroup(record.cgroup_id);
        cgroup || cgroup.error().code() != ESTALE)
        return false;
    const std::string name = record.name;
    BULKHEAD_TRY(store_last_read(environments, label, {}));
    BULKHEAD_TRY(keep_budgets(environments, label));
    BULKHEAD_TRY(environments.withdraw(label));
    BULKHEAD_TRY(loader::settle_adoption(environments));
    BULKHEAD_TRY(remove_state(name));
    return true;
}

}  // namespace bulkhead::runtime
