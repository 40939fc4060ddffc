#include "loader/held.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <istream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire_held.h"
#include "loader/passes.h"
#include "loader/pins.h"

namespace bulkhead::loader {
namespace {

// Counts may move from one bucket's walk to the next, but a bucket that is torn each time is none
// that anybody uses.
constexpr unsigned kPasses = 100;

__u32 host_mount_namespace() {
    struct stat info {};
    return ::stat("/proc/1/ns/mnt", &info) == 0 ? static_cast<__u32>(info.st_ino) : 0;
}

void add_tasks(Held& held, const std::vector<bh_held_task>& tasks, __u32 serial) {
    // What an adopted service shares with the host is not the service's.
    std::set<__u32> seen{0, host_mount_namespace()};
    for (const bh_held_task& task : tasks) {
        if (task.label.serial != serial)
            continue;
        held.private_pages += task.private_pages;
        if (seen.insert(task.mnt_ns).second)
            held.mounts += task.mounts;
    }
}

void add_sockets(Held& held, const std::vector<bh_held_socket>& sockets, __u32 serial) {
    std::set<__u64> seen;
    for (const bh_held_socket& socket : sockets) {
        if (socket.label.serial != serial || !seen.insert(socket.address).second)
            continue;
        const bool is_tcp = socket.kind == BH_SOCKET_TCP;
        (is_tcp ? held.tcp_sent_bytes : held.other_sent_bytes) += socket.sent;
        (is_tcp ? held.tcp_received_bytes : held.other_received_bytes) += socket.received;
    }
}

}  // namespace

Result<UserCounts> read_user_counts(__u32 user_ns) {
    BULKHEAD_TRY(find_user_counts());
    for (unsigned tries = 0; tries < kPasses; ++tries) {
        BULKHEAD_TRY_VALUE(pass, start_pass("bh_bc_ucounts", "bh_states"));
        BULKHEAD_TRY_VALUE(rows, read_rows<bh_ucount>(pass));
        UserCounts sum;
        bool is_torn = false;
        for (const bh_ucount& row : rows) {
            is_torn = is_torn || row.user_ns == 0;
            sum.watches += row.user_ns == user_ns ? row.watches : 0;
            sum.signals += row.user_ns == user_ns ? row.signals : 0;
        }
        if (!is_torn)
            return sum;
    }
    return fail(Error(EAGAIN, "what the kernel counts to users changes all the time")
                    .advise("try again later"));
}

Result<Held> read_held(bh_label label) {
    Held held;
    BULKHEAD_TRY_VALUE(over_tasks, start_pass("bh_held_tasks"));
    BULKHEAD_TRY_VALUE(tasks, read_rows<bh_held_task>(over_tasks));
    add_tasks(held, tasks, label.serial);
    BULKHEAD_TRY_VALUE(over_sockets, start_pass("bh_held_sockets"));
    BULKHEAD_TRY_VALUE(sockets, read_rows<bh_held_socket>(over_sockets));
    add_sockets(held, sockets, label.serial);
    return held;
}

Status find_user_counts() {
    auto places = open_pinned_map<__u32, __u64>("bh_ucounts");
    if (!places)
        return fail(std::move(places).error());
    BULKHEAD_TRY_VALUE(known, places->find(0));
    if (known.value_or(0) != 0)
        return {};
    std::ifstream symbols("/proc/kallsyms");
    BULKHEAD_TRY_VALUE(place, user_counts_in(symbols));
    return places->put(0, place);
}

Result<__u64> user_counts_in(std::istream& symbols) {
    constexpr std::string_view kSymbol = " ucounts_hashtable";
    for (std::string line; std::getline(symbols, line);) {
        __u64 place = 0;
        if (line.ends_with(kSymbol))
            std::from_chars(line.data(), line.data() + line.size(), place, 16);
        if (place != 0)
            return place;
    }
    return fail(Error(0,
                      "ucounts_hashtable is not in /proc/kallsyms: numinotify and numsiginfo are "
                      "not counted",
                      Fault::kUnsupported)
                    .advise("use a kernel with CONFIG_KALLSYMS_ALL and "
                            "sysctl kernel.kptr_restrict below 2"));
}

}  // namespace bulkhead::loader
