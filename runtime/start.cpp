#include "runtime/start.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

#include "loader/pins.h"
#include "loader/programs.h"
#include "runtime/apply.h"
#include "runtime/clock.h"
#include "runtime/guarantees.h"
#include "runtime/journal.h"
#include "runtime/json.h"
#include "runtime/learned_record.h"
#include "runtime/payload.h"
#include "runtime/policy_record.h"
#include "runtime/receipt.h"
#include "runtime/remains.h"
#include "runtime/root.h"
#include "runtime/tree_paths.h"

namespace bulkhead::runtime {
namespace {

constexpr int kExitOurs = 125;
constexpr std::size_t kStandardDescriptors = 3;
// Somebody unloads whenever it is loaded.
constexpr unsigned kMostLoads = 5;

std::uint32_t inode_of(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 ? static_cast<std::uint32_t>(info.st_ino) : 0;
}

// One start, step by step. What was made is undone by the destructor unless the payload runs.
class Starter {
public:
    Starter(const EnvironmentSpec& spec, const Stdio& stdio) : spec_(spec), stdio_(stdio) {}
    Starter(const Starter&) = delete;
    Starter& operator=(const Starter&) = delete;

    ~Starter() {
        if (!undo_)
            return;
        kill_child();
        remove_remains(spec_.name, label_);
    }

    Status prepare() {
        BULKHEAD_TRY(validate(spec_));
        BULKHEAD_TRY(check_receipt_path(spec_.receipt_path));
        BULKHEAD_TRY_VALUE(environments, open_or_load());
        environments_.emplace(std::move(environments));
        return {};
    }

    // The name is taken in the state directory first, then in the kernel.
    Status take_name() {
        sweep(*environments_);
        auto directory = StateDirectory::create(spec_.name);
        if (!directory && directory.error().code() == EEXIST) {
            sweep_unrecorded(*environments_);
            directory = StateDirectory::create(spec_.name);
        }
        if (!directory && directory.error().code() == EEXIST)
            return fail(Error(EEXIST, "the name " + spec_.name + " is taken")
                            .advise("bulkhead status " + spec_.name +
                                    " shows by what; bulkhead "
                                    "destroy " +
                                    spec_.name + " frees it"));
        if (!directory)
            return fail(std::move(directory).error());
        directory_.emplace(std::move(*directory));
        undo_ = true;
        BULKHEAD_TRY_VALUE(label, reserve_or_load(*environments_, spec_.name));
        label_ = label;
        return {};
    }

    // After the name is ours: a kept layer goes by it.
    Status open_root() {
        BULKHEAD_TRY_VALUE(sources, open_sources(spec_));
        sources_ = std::move(sources);
        return open_kept_layer(spec_, sources_);
    }

    Status open_output() {
        if (stdio_.output_kind == OutputKind::kInherited)
            return {};
        BULKHEAD_TRY_VALUE(output, directory_->open_output());
        output_ = std::move(output);
        stdio_.output = output_.get();
        stdio_.error = output_.get();
        return {};
    }

    // The parent after the slot: whoever unloads takes it away before that, and not afterwards.
    Status make_cgroup() {
        BULKHEAD_TRY(Cgroup::prepare_parent());
        auto cgroup = Cgroup::create(spec_.name);
        if (!cgroup)
            return fail(std::move(cgroup).error());
        cgroup_.emplace(std::move(*cgroup));
        if (spec_.policy.rules.gives_cgroups())
            BULKHEAD_TRY(cgroup_->delegate(uid_base()));
        BULKHEAD_TRY(cgroup_->apply(with_plans(spec_.limits, spec_.plans)));
        return guarantee(*cgroup_, spec_.limits);
    }

    // Straight into the cgroup and all namespaces but the cgroup one, which the child makes once
    // it is there.
    Status clone_child() {
        auto channels = Channel::make();
        if (!channels)
            return fail(std::move(channels).error());
        clone_args arguments{};
        arguments.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC |
                          CLONE_NEWTIME | CLONE_PIDFD | CLONE_INTO_CGROUP;
        if (spec_.network == NetworkKind::kNone)
            arguments.flags |= CLONE_NEWNET;
        int pidfd = -1;
        arguments.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
        arguments.cgroup = static_cast<std::uint64_t>(cgroup_->fd());
        arguments.exit_signal = SIGCHLD;
        pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
        if (pid_ == 0) {
            // The starter's end must not keep the channel open once the starter is dead.
            channels->first = Channel(UniqueFd());
            run_child(spec_, channels->second, stdio_);
        }
        if (pid_ < 0)
            return fail_errno("make a process in the environment's namespaces and cgroup");
        pidfd_.reset(pidfd);
        channel_.emplace(std::move(channels->first));
        return {};
    }

    Status map_ids() const {
        const std::string line =
            "0 " + std::to_string(uid_base()) + " " + std::to_string(kUidsEach);
        for (const char* file : {"uid_map", "gid_map"}) {
            const UniqueFd map(::openat(proc_.get(), file, O_WRONLY | O_CLOEXEC));
            if (!map || ::write(map.get(), line.data(), line.size()) < 0)
                return fail_errno(std::string("write ") + file);
        }
        return {};
    }

    Status build() {
        proc_.reset(
            ::open(("/proc/" + std::to_string(pid_)).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        BULKHEAD_TRY(map_ids());
        user_ns_ = open_namespace("user");
        mount_ns_ = open_namespace("mnt");
        net_ns_ = open_namespace("net");
        if (!user_ns_ || !mount_ns_ || !net_ns_)
            return fail_errno("open the new namespaces");
        auto built = build_root(spec_, sources_, {user_ns_.get(), mount_ns_.get(), uid_base()});
        if (!built)
            return fail(std::move(built).error());
        built_ = std::move(*built);
        return channel_->go();
    }

    // The child has finished its side; what it mounted joins what we did.
    Status hear_ready() {
        BULKHEAD_TRY_VALUE(report, channel_->receive());
        if (!report || report->step != Step::kReady)
            return fail(explain(report));
        for (std::uint32_t i = 0; i < report->device_count; ++i) {
            if (!built_.devices.add(report->devices[i]))
                return fail_usage(
                    "the environment uses too many file systems: give it fewer mounts");
        }
        return {};
    }

    Status publish() {
        bh_environment record{};
        if (spec_.network == NetworkKind::kHost)
            record.flags |= BH_ENV_HOST_NETWORK;
        if (spec_.strictness == Strictness::kBestEffort)
            record.flags |= BH_ENV_BEST_EFFORT;
        BULKHEAD_TRY_VALUE(cgroup_id, cgroup_->id());
        record.cgroup_id = cgroup_id;
        record.cgroup_level = kEnvironmentCgroupLevel;
        record.mnt_ns = inode_of(mount_ns_.get());
        record.net_ns = inode_of(net_ns_.get());
        record.user_ns = inode_of(user_ns_.get());
        record.init_pid = static_cast<std::uint32_t>(pid_);
        record.uid_base = uid_base();
        record.uid_count = kUidsEach;
        record.device_count = built_.devices.device_count;
        std::copy_n(built_.devices.devices.begin(), record.device_count, record.devices);
        grant_stdio(record);
        grant_beancounters(record);
        record.started_ns = boot_time_ns();
        // Labelled first: from the moment that the record names its first process, the end of that
        // process is noticed.
        BULKHEAD_TRY(environments_->label_task(pidfd_.get(), label_));
        for (const BeancounterBounds& wanted : spec_.beancounters)
            BULKHEAD_TRY(set_bounds(*environments_, label_, *cgroup_, wanted));
        for (const BudgetWanted& wanted : spec_.budgets)
            BULKHEAD_TRY(
                set_budget(*environments_, label_, *cgroup_, loader::Running::kNothing, wanted));
        for (const PlanWanted& wanted : spec_.plans)
            if (wanted.bounds)
                BULKHEAD_TRY(set_plan(*environments_, label_, wanted));
        if (!spec_.policy.rules.has_rows()) {
            record.control = spec_.policy.rules.control;
            return environments_->publish(label_, record);
        }
        loader::Rules rules = started_now(spec_.policy.rules);
        BULKHEAD_TRY(place_rules(rules, pid_, spec_.policy.sources));
        BULKHEAD_TRY(note_root(spec_.name, pid_, rules));
        return environments_->publish(label_, record, rules);
    }

    Status remember(std::uint64_t began_ns) {
        state_.spec = spec_;
        state_.label = label_;
        state_.pid = pid_;
        state_.started_ns = boot_time_ns();
        state_.started_at = utc_now();
        state_.start_cost_ns = state_.started_ns - began_ns;
        BULKHEAD_TRY(directory_->save(state_));
        return keep_policy(spec_.name, spec_.policy);
    }

    // Until end-of-file, which execve(2) makes of the child's end.
    Status execute() {
        BULKHEAD_TRY(channel_->go());
        BULKHEAD_TRY_VALUE(report, channel_->receive());
        if (report)
            return fail(explain(report));
        siginfo_t info{};
        // A process that was killed also leaves end-of-file. A payload that ended already did
        // execute.
        if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info,
                     WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0 && info.si_code == CLD_KILLED && !has_executed())
            return fail(explain(std::nullopt));
        return {};
    }

    Started finish() {
        undo_ = false;
        return {std::move(*environments_), std::move(*directory_), std::move(state_),
                std::move(pidfd_), std::move(built_.terminal)};
    }

    [[nodiscard]] int exit_code() const { return exit_code_; }

private:
    [[nodiscard]] std::uint32_t uid_base() const { return kFirstUid + label_.slot * kUidsEach; }

    UniqueFd open_namespace(const char* kind) const {
        return UniqueFd(
            ::openat(proc_.get(), (std::string("ns/") + kind).c_str(), O_RDONLY | O_CLOEXEC));
    }

    // The kernel counts an exec in bh_state when the label is on.
    [[nodiscard]] bool has_executed() const {
        const bh_state* counted = environments_->state(label_);
        return counted != nullptr && counted->counts.execs != 0;
    }

    // What was inherited as standard descriptors may be opened again through /dev/stdout.
    void grant_stdio(bh_environment& record) const {
        give_pipes(stdio_, uid_base());
        const auto inodes = inodes_of(stdio_);
        std::copy(inodes.begin(), inodes.end(), record.granted);
    }

    // This one file, of a super block that is not the environment's. The places before are those
    // of the standard descriptors.
    void grant_beancounters(bh_environment& record) const {
        const int file = sources_.beancounters.get();
        struct stat info {};
        if (file >= 0 && ::fstat(file, &info) == 0)
            record.granted[kStandardDescriptors] = {info.st_ino, super_block_of(file), 0};
    }

    Error explain(const std::optional<Report>& report) {
        if (!report)
            return killed_error();
        exit_code_ = exit_code_of(*report);
        const std::string& command = spec_.process.argv.front();
        if (report->step == Step::kNotFound || report->step == Step::kExecute)
            return Error(report->error, command)
                .advise(exit_code_ == 127 ? "the command is looked for inside the environment, by "
                                            "its PATH"
                                          : "the file must be executable inside the environment");
        if (report->step == Step::kUser)
            return Error(report->error, "--user " + spec_.process.user)
                .advise(
                    "users and groups are looked up in the environment's /etc/passwd and "
                    "/etc/group");
        if (report->step == Step::kWorkdir)
            return Error(report->error, "--workdir " + spec_.process.workdir);
        return Error(report->error, step_name(report->step));
    }

    Error killed_error() const {
        const auto events = cgroup_->read("memory.events");
        if (events && events->find("oom_kill 0") == std::string::npos)
            return Error(ENOMEM, "the memory limit is below what the environment needs to start")
                .advise("raise --memory");
        return Error(0, "the new process was killed while it started");
    }

    void kill_child() {
        channel_.reset();
        if (!pidfd_)
            return;
        ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
        siginfo_t info{};
        ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED);
    }

    const EnvironmentSpec& spec_;
    Stdio stdio_;
    UniqueFd output_;
    std::optional<loader::Environments> environments_;
    std::optional<StateDirectory> directory_;
    std::optional<Cgroup> cgroup_;
    std::optional<Channel> channel_;
    bh_label label_{};
    EnvironmentState state_;
    RootSources sources_;
    BuiltRoot built_;
    UniqueFd pidfd_;
    UniqueFd proc_;
    UniqueFd user_ns_;
    UniqueFd mount_ns_;
    UniqueFd net_ns_;
    pid_t pid_ = -1;
    int exit_code_ = kExitOurs;
    bool undo_ = false;
};

Status run_steps(Starter& starter) {
    const std::uint64_t began_ns = boot_time_ns();
    BULKHEAD_TRY(starter.prepare());
    BULKHEAD_TRY(starter.take_name());
    BULKHEAD_TRY(starter.open_root());
    BULKHEAD_TRY(starter.open_output());
    BULKHEAD_TRY(starter.make_cgroup());
    BULKHEAD_TRY(starter.clone_child());
    BULKHEAD_TRY(starter.build());
    BULKHEAD_TRY(starter.hear_ready());
    BULKHEAD_TRY(starter.publish());
    BULKHEAD_TRY(starter.remember(began_ns));
    return starter.execute();
}

}  // namespace

tl::expected<Started, StartFailure> start(const EnvironmentSpec& spec, const Stdio& stdio) {
    Starter starter(spec, stdio);
    if (auto done = run_steps(starter); !done)
        return tl::unexpected(StartFailure{std::move(done).error(), starter.exit_code()});
    Started started = starter.finish();
    // At the time before it executed: a payload may have ended by now.
    tell_of(unix_ns_of_boot_ns(started.state.started_ns), "started", spec.name,
            {{"command", spec.process.argv}});
    return started;
}

Result<loader::Environments> open_or_load() {
    for (unsigned tries = 1;; ++tries) {
        auto loaded = loader::Environments::open();
        if (loaded || loaded.error().code() != ENOENT || tries > kMostLoads)
            return loaded;
        BULKHEAD_TRY(loader::load());
    }
}

Result<bh_label> reserve_or_load(loader::Environments& environments, const std::string& name) {
    for (unsigned tries = 1;; ++tries) {
        auto label = environments.reserve(name);
        if (label || label.error().code() != ENOENT || tries > kMostLoads)
            return label;
        BULKHEAD_TRY_VALUE(again, open_or_load());
        environments = std::move(again);
    }
}

std::uint64_t boot_time_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace bulkhead::runtime
