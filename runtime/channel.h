// How the starter and the new process talk until it executes: the child reports, the starter says
// "go". The child's end is O_CLOEXEC, so end-of-file means that it executed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "bpf/wire.h"
#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::runtime {

// What the child was doing; the names are in channel.cpp.
enum class Step : std::uint32_t {
    kReady,  // not a failure: it waits, with `devices` filled in
    kBecomeRoot,
    kJoinNamespaces,
    kCgroupNamespace,
    kMountProc,
    kMountSys,
    kMountCgroup,
    kMountQueue,
    kEnterRoot,
    kHostname,
    kLoopback,
    kTerminal,
    kKeyring,
    kCapabilities,
    kCoreLimit,
    kUser,
    kWorkdir,
    kNotFound,
    kExecute,
};

const char* step_name(Step step);

// One message; fixed size, so that sending it needs no memory.
struct Report {
    Step step = Step::kReady;
    std::int32_t error = 0;
    std::uint32_t device_count = 0;
    std::array<bh_device, BH_MAX_DEVICES> devices{};

    // nullptr: not among them.
    [[nodiscard]] const bh_device* find(std::uint32_t dev) const;
    // False when the environment uses more super blocks than a record holds.
    bool add(bh_device device);
};

class Channel {
public:
    // {the starter's end, the child's end}.
    static Result<std::pair<Channel, Channel>> make();

    explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

    [[nodiscard]] int fd() const { return socket_.get(); }

    // The other end's next report; none at end-of-file.
    [[nodiscard]] Result<std::optional<Report>> receive() const;
    void send(const Report& report) const;

    Status go() const;
    // False when the starter is gone.
    [[nodiscard]] bool wait_go() const;

private:
    UniqueFd socket_;
};

}  // namespace bulkhead::runtime
