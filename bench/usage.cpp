#include "bench/usage.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>

#include "bench/attached.h"
#include "bench/clock.h"
#include "bench/idle.h"
#include "bench/stage.h"
#include "loader/environments.h"
#include "loader/meters.h"
#include "loader/programs.h"

namespace bulkhead::bench {
namespace {

const std::string kParent = std::string(kCgroup) + "/usage";
constexpr __u32 kLevel = 3;
constexpr int kRuns = 5;

// Where the kernel shows what one pass reads.
constexpr std::array kFiles = {"cpu.stat",     "memory.current",      "memory.peak",
                               "memory.stat",  "memory.swap.current", "memory.events",
                               "io.stat",      "pids.current",        "pids.peak",
                               "cpu.pressure", "memory.pressure",     "io.pressure"};

std::string child(int i) {
    return kParent + "/" + std::to_string(i);
}

// A process that lived and died there, so that the counters are not all zero.
Status run_a_process(const std::string& cgroup) {
    const UniqueFd fd(::open(cgroup.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    clone_args arguments{};
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = static_cast<__u64>(fd.get());
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid == 0)
        ::_exit(0);
    if (pid < 0 || ::waitpid(pid, nullptr, 0) != pid)
        return fail_errno("run a process in " + cgroup);
    return {};
}

Result<bh_label> make_environment(loader::Environments& environments, int i) {
    const std::string cgroup = child(i);
    struct stat info {};
    if (::mkdir(cgroup.c_str(), 0755) != 0 || ::stat(cgroup.c_str(), &info) != 0)
        return fail_errno("make " + cgroup);
    BULKHEAD_TRY(run_a_process(cgroup));
    BULKHEAD_TRY_VALUE(label, environments.reserve("metered-" + std::to_string(i)));
    bh_environment record{};
    record.control = loader::kDefaultControl;
    record.cgroup_id = info.st_ino;
    record.cgroup_level = kLevel;
    BULKHEAD_TRY(environments.publish(label, record));
    return label;
}

// A thousand published environments with a cgroup each, taken away again.
class Metered {
public:
    explicit Metered(loader::Environments environments) : environments_(std::move(environments)) {}
    Metered(const Metered&) = delete;
    Metered& operator=(const Metered&) = delete;

    ~Metered() {
        for (const bh_label label : labels_)
            (void)environments_.withdraw(label);
        for (int i = 0; i < kMeteredEnvironments; ++i)
            ::rmdir(child(i).c_str());
        ::rmdir(kParent.c_str());
    }

    Status make() {
        if (::mkdir(kParent.c_str(), 0755) != 0)
            return fail_errno("make " + kParent);
        const UniqueFd control(
            ::open((kParent + "/cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
        constexpr std::string_view kControllers = "+cpu +memory +io +pids";
        if (::write(control.get(), kControllers.data(), kControllers.size()) < 0)
            return fail_errno("enable the controllers in " + kParent);
        for (int i = 0; i < kMeteredEnvironments; ++i) {
            BULKHEAD_TRY_VALUE(label, make_environment(environments_, i));
            labels_.push_back(label);
        }
        return {};
    }

private:
    loader::Environments environments_;
    std::vector<bh_label> labels_;
};

Status measure_pass(Figures& figures) {
    BULKHEAD_TRY_VALUE(meters, loader::Meters::open());
    const UniqueFd parent(::open(kParent.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC));
    std::vector<std::int64_t> costs;
    for (int i = 0; i < kRuns; ++i) {
        const std::int64_t begin = now();
        int met = 0;
        BULKHEAD_TRY(meters.read(parent.get(), loader::Scope::kDescendants,
                                 [&](const loader::MeterView&) { ++met; }));
        costs.push_back(now() - begin);
        if (met != kMeteredEnvironments)
            return fail(Error(0, "one pass met " + std::to_string(met) + " cgroups"));
    }
    figures["usage.pass"] = median(std::move(costs));
    return {};
}

Status read_whole(int fd, const std::string& path) {
    std::array<char, 8192> text{};
    if (::pread(fd, text.data(), text.size(), 0) < 0)
        return fail_errno("read " + path);
    return {};
}

Result<std::vector<UniqueFd>> open_and_read() {
    std::vector<UniqueFd> kept;
    kept.reserve(kFiles.size() * kMeteredEnvironments);
    for (int i = 0; i < kMeteredEnvironments; ++i) {
        for (const char* file : kFiles) {
            const std::string path = child(i) + "/" + file;
            UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
            BULKHEAD_TRY(read_whole(fd.get(), path));
            kept.push_back(std::move(fd));
        }
    }
    return kept;
}

Status measure_files(Figures& figures) {
    const rlimit many{.rlim_cur = 20'000, .rlim_max = 20'000};
    if (::setrlimit(RLIMIT_NOFILE, &many) != 0)
        return fail_errno("raise the limit of open files");
    const std::int64_t begin = now();
    BULKHEAD_TRY_VALUE(kept, open_and_read());
    const std::int64_t opened = now();
    for (const UniqueFd& fd : kept)
        BULKHEAD_TRY(read_whole(fd.get(), kParent));
    const std::int64_t again = now();
    kept.clear();
    figures["usage.files_kept_open"] = again - opened;
    figures["usage.files"] = opened - begin + (now() - again);
    return {};
}

Status measure_loaded(const std::string& bulkhead, Figures& figures) {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    Metered metered(std::move(environments));
    BULKHEAD_TRY(metered.make());
    BULKHEAD_TRY(measure_pass(figures));
    BULKHEAD_TRY(measure_files(figures));
    return measure_idle_agent(bulkhead, figures);
}

}  // namespace

Status measure_usage(const std::string& bulkhead, Figures& figures) {
    BULKHEAD_TRY(loader::load());
    auto measured = measure_loaded(bulkhead, figures);
    BULKHEAD_TRY(unload_and_detach());
    return measured;
}

}  // namespace bulkhead::bench
