#include "loader/adoption.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "loader/guard.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

Status attach_program() {
    const std::string pin = link_pin(kAdoptionProgram);
    if (::access(pin.c_str(), F_OK) == 0)
        return {};
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin(kAdoptionProgram)));
    const UniqueFd link(bpf_link_create(program.get(), 0, BPF_TRACE_FENTRY, nullptr));
    if (!link)
        return fail_errno("attach " + std::string(kAdoptionProgram));
    return pin_link(link.get(), pin);
}

// The program acts by the records' flags, on all tasks. How many are let go and not at rest.
Result<std::size_t> pass_over_tasks() {
    BULKHEAD_TRY_VALUE(program, open_pinned(program_pin("bh_adopt_pass")));
    const UniqueFd link(bpf_link_create(program.get(), 0, BPF_TRACE_ITER, nullptr));
    if (!link)
        return fail_errno("attach bh_adopt_pass");
    const UniqueFd pass(bpf_iter_create(link.get()));
    if (!pass)
        return fail_errno("start a pass over the tasks");
    char marks[64];
    std::size_t moving = 0;
    ssize_t got = 0;
    while ((got = ::read(pass.get(), marks, sizeof marks)) > 0 || (got < 0 && errno == EAGAIN))
        moving += got > 0 ? static_cast<std::size_t>(got) : 0;
    return got == 0 ? Result<std::size_t>(moving) : fail_errno("pass over the tasks");
}

// Passes until one has found all at rest, then one that finds what was created meanwhile.
Status pass_at_rest() {
    constexpr unsigned kPasses = 10'000;
    for (unsigned passes = 0; passes < kPasses; ++passes) {
        BULKHEAD_TRY_VALUE(moving, pass_over_tasks());
        if (moving == 0) {
            BULKHEAD_TRY(pass_over_tasks());
            return {};
        }
        ::usleep(1000);
    }
    return fail(Error(EAGAIN, "processes of the cgroup do not come to rest")
                    .advise("one of them waits for a device; try again later"));
}

}  // namespace

Status adopt_tasks(const Environments& environments, bh_label label) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    const bh_state* state = environments.state(label);
    if (state == nullptr)
        return fail(Error(ESTALE, "the environment is gone"));
    BULKHEAD_TRY(attach_program());
    BULKHEAD_TRY(pass_over_tasks());
    // The programs count what they could not label.
    if (state->internal != 0)
        return fail(Error(ENOMEM, "label the tasks of the cgroup"));
    return {};
}

Status release_tasks(Environments& environments, bh_label label) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr)
        return {};
    bh_environment releasing = *record;
    const __u64 classes = (1ULL << BH_MAX_CLASSES) - 1;
    releasing.control &= ~classes;
    releasing.flags |= BH_ENV_RELEASING;
    BULKHEAD_TRY(environments.publish(label, releasing));
    {
        BULKHEAD_TRY_VALUE(lock, lock_pins());
        BULKHEAD_TRY(pass_at_rest());
    }
    BULKHEAD_TRY(environments.withdraw(label));
    return settle_adoption(environments);
}

Status settle_adoption(const Environments& environments) {
    BULKHEAD_TRY_VALUE(lock, lock_pins());
    bool adopted = false;
    environments.for_each([&](bh_label, const bh_environment& record) {
        adopted = adopted || (record.flags & BH_ENV_ADOPTED) != 0;
    });
    if (adopted)
        return {};
    return unpin_link(link_pin(kAdoptionProgram));
}

}  // namespace bulkhead::loader
