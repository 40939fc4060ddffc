#include "runtime/guarantees.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <memory>
#include <string>

#include "loader/unique_fd.h"
#include "runtime/cgroup.h"

namespace bulkhead::runtime {
namespace {

constexpr std::uint64_t kKeptShare = 10;  // of the machine's memory, a tenth

std::uint64_t number_in(const Cgroup& cgroup, const char* file) {
    std::uint64_t number = 0;
    if (const auto text = cgroup.read(file))
        std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
}

Guaranteed sum_of_all() {
    Guaranteed sum;
    const std::unique_ptr<DIR, int (*)(DIR*)> all(
        ::opendir(std::string(kEnvironmentsCgroup).c_str()), ::closedir);
    for (const dirent* one = nullptr; all && (one = ::readdir(all.get())) != nullptr;) {
        if (one->d_type != DT_DIR || one->d_name[0] == '.')
            continue;
        const auto cgroup = Cgroup::open(one->d_name);
        if (!cgroup)
            continue;
        sum.min_bytes += number_in(*cgroup, "memory.min");
        sum.low_bytes += number_in(*cgroup, "memory.low");
    }
    return sum;
}

Status give(const Cgroup& cgroup, const Guaranteed& what) {
    BULKHEAD_TRY(cgroup.write("memory.min", std::to_string(what.min_bytes)));
    return cgroup.write("memory.low", std::to_string(what.low_bytes));
}

std::uint64_t memory_of_the_machine() {
    std::ifstream file("/proc/meminfo");
    std::string name;
    std::uint64_t kib = 0;
    file >> name >> kib;
    return kib * 1024;
}

// Two that start at once do not both find room.
void wait_for_turn(const Cgroup& parent) {
    (void)::flock(parent.fd(), LOCK_EX);
}

Status check_sum(const char* option, std::uint64_t wanted, std::uint64_t others,
                 std::uint64_t room) {
    if (wanted == 0 || (others <= room && wanted <= room - others))
        return {};
    return fail(Error(0, std::string(option) + " " + std::to_string(wanted) +
                             " cannot be kept: of " + std::to_string(room) +
                             " bytes that can be guaranteed " + std::to_string(others) +
                             " are guaranteed to others")
                    .advise("guarantee less, or end environments that are guaranteed memory"));
}

}  // namespace

Status check_guarantees(const Limits& limits, const Guaranteed& others, std::uint64_t total) {
    const std::uint64_t room = total - total / kKeptShare;
    BULKHEAD_TRY(
        check_sum("--memory-min", limits.memory_min_bytes.value_or(0), others.min_bytes, room));
    return check_sum("--memory-low", limits.memory_low_bytes.value_or(0), others.low_bytes, room);
}

Status guarantee(const Cgroup& cgroup, const Limits& limits) {
    if (!limits.memory_min_bytes && !limits.memory_low_bytes)
        return {};
    auto parent = Cgroup::open_parent();
    if (!parent)
        return fail(std::move(parent).error());
    wait_for_turn(*parent);
    Guaranteed others = sum_of_all();
    others.min_bytes -= number_in(cgroup, "memory.min");
    others.low_bytes -= number_in(cgroup, "memory.low");
    BULKHEAD_TRY(check_guarantees(limits, others, memory_of_the_machine()));
    BULKHEAD_TRY(
        give(cgroup, {limits.memory_min_bytes.value_or(0), limits.memory_low_bytes.value_or(0)}));
    return give(*parent, sum_of_all());
}

void settle_guarantees() {
    const auto parent = Cgroup::open_parent();
    if (!parent || (number_in(*parent, "memory.min") == 0 && number_in(*parent, "memory.low") == 0))
        return;
    wait_for_turn(*parent);
    (void)give(*parent, sum_of_all());
}

}  // namespace bulkhead::runtime
