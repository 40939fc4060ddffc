#include "bench/timeline.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>

#include "bulkhead_steps.skel.h"

#include "bench/clock.h"
#include "bench/steps.h"

namespace bulkhead::bench {
namespace {

constexpr int kUserSpace = -1;
constexpr int kDeferred = -2;  // a kernel thread runs
constexpr int kIdle = -3;

struct Deleter {
    void operator()(bulkhead_steps* skeleton) const { bulkhead_steps__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<bulkhead_steps, Deleter>;

const char* step_of(int number) {
    switch (number) {
        case kUserSpace:
            return "user_space";
        case kDeferred:
            return "kernel_threads";
        case kIdle:
            return "idle";
        case SYS_execve:
        case SYS_execveat:
            return "exec";
        case SYS_clone:
        case SYS_clone3:
        case SYS_vfork:
        case SYS_fork:
        case SYS_unshare:
        case SYS_setns:
            return "namespaces";
        case SYS_exit:
        case SYS_exit_group:
            return "exit";
        case SYS_mount:
        case SYS_umount2:
        case SYS_pivot_root:
        case SYS_move_mount:
        case SYS_open_tree:
        case SYS_fsopen:
        case SYS_fsconfig:
        case SYS_fsmount:
        case SYS_mount_setattr:
            return "mounts";
        case SYS_bpf:
            return "bpf";
        case SYS_mmap:
        case SYS_munmap:
        case SYS_mprotect:
        case SYS_brk:
            return "memory";
        case SYS_rmdir:
        case SYS_unlinkat:
        case SYS_mkdir:
        case SYS_mkdirat:
            return "mkdir_rmdir";
        case SYS_write:
        case SYS_pwrite64:
            return "write";
        case SYS_open:
        case SYS_openat:
        case SYS_openat2:
        case SYS_close:
        case SYS_read:
        case SYS_pread64:
            return "open_read_close";
        case SYS_wait4:
        case SYS_waitid:
        case SYS_poll:
        case SYS_ppoll:
        case SYS_epoll_wait:
        case SYS_epoll_pwait:
            return "wait";
        default:
            return "other_calls";
    }
}

// Adds up what lies between each two events.
class Timeline {
public:
    explicit Timeline(unsigned self) : running_(self) {}

    void take(std::int64_t ns, unsigned pid, unsigned what) {
        if (last_ns_ != 0)
            spent_[where()] += ns - last_ns_;
        last_ns_ = ns;
        if (STEP_KIND(what) == STEP_SWITCH) {
            running_ = pid;
            kernel_thread_ = STEP_NUMBER(what) != 0;
        } else {
            call_[pid] =
                STEP_KIND(what) == STEP_ENTER ? static_cast<int>(STEP_NUMBER(what)) : kUserSpace;
        }
    }

    [[nodiscard]] const std::map<int, std::int64_t>& spent() const { return spent_; }

private:
    [[nodiscard]] int where() const {
        if (running_ == 0)
            return kIdle;
        if (kernel_thread_)
            return kDeferred;
        const auto call = call_.find(running_);
        return call == call_.end() ? kUserSpace : call->second;
    }

    unsigned running_;
    bool kernel_thread_ = false;
    std::int64_t last_ns_ = 0;
    std::map<unsigned, int> call_;
    std::map<int, std::int64_t> spent_;
};

Result<Skeleton> attach() {
    Skeleton skeleton(bulkhead_steps__open_and_load());
    if (!skeleton)
        return fail_errno("load the timeline's programs");
    if (const int error = bulkhead_steps__attach(skeleton.get()); error != 0)
        return fail(Error(-error, "attach the timeline's programs"));
    return skeleton;
}

}  // namespace

Status measure_steps(const std::string& name, const Command& command, Figures& figures) {
    BULKHEAD_TRY(run(command));
    BULKHEAD_TRY_VALUE(skeleton, attach());
    settle();
    auto* records = skeleton->bss;
    records->step_count = 0;
    BULKHEAD_TRY_VALUE(total, time_of(command));
    const unsigned count = records->step_count;
    if (count > STEP_MAX_EVENTS)
        return fail(Error(E2BIG, "the timeline of " + name));

    Timeline timeline(static_cast<unsigned>(::getpid()));
    for (unsigned i = 0; i < count; ++i)
        timeline.take(static_cast<std::int64_t>(records->step_ns[i]), records->step_pid[i],
                      records->step_what[i]);
    figures["steps." + name + ".total"] = total;
    for (const auto& [number, spent] : timeline.spent())
        figures["steps." + name + "." + step_of(number)] += spent;
    return {};
}

}  // namespace bulkhead::bench
