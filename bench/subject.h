// The process that is measured: this program started anew, so that it is of the same size however
// much was measured before, in a cgroup with all controllers, outside every environment or labelled
// as a task of one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "bench/attached.h"
#include "bench/operations.h"
#include "loader/environments.h"

namespace bulkhead::bench {

// An environment with the default policy that is only a record: its super blocks are the stage's.
class Inside {
public:
    static Result<Inside> publish();
    Inside(Inside&& other) noexcept
        : environments_(std::move(other.environments_)),
          label_(std::exchange(other.label_, std::nullopt)) {}
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Inside& operator=(Inside&&) = delete;
    ~Inside();

    // Puts on their hooks what only some policies and bounds need, and counts what it makes.
    Status attach_on_demand() const;

    // The rules of a policy's text in place of those it had.
    Status publish_rules(const std::string& text);

    Status label(int pidfd) const { return environments_.label_task(pidfd, *label_); }
    [[nodiscard]] std::uint64_t refusals() const;

private:
    Inside(loader::Environments environments, bh_label label)
        : environments_(std::move(environments)), label_(label) {}

    loader::Environments environments_;
    std::optional<bh_label> label_;
};

// The cgroup that every subject runs in. Made by make_subjects_cgroup().
inline constexpr const char* kSubjectsCgroup = "/sys/fs/cgroup/bench/subjects";
Status make_subjects_cgroup();

// What happens around a subject's life; each may be empty. Descriptors are closed when it is over.
struct Around {
    const Inside* inside = nullptr;  // nullptr: outside
    std::function<Result<Attached>()> while_preparing = {};
    std::function<Result<Attached>()> while_measuring = {};
};

// What main() does when it was started as a subject: `--subject OPERATION`. Talks to its parent
// through descriptor 3.
bool is_subject(int argc, char** argv);
int be_subject(const char* operation);

// The cost of one act of `operation`.
Result<std::int64_t> cost_of(const Operation& operation, const Around& around);

}  // namespace bulkhead::bench
