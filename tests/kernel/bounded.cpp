#include "tests/kernel/bounded.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "loader/pins.h"

namespace bulkhead::tests {
namespace {

// A message of one byte with room for one descriptor.
class Message {
public:
    Message() {
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
        header_.msg_control = control_.data();
        header_.msg_controllen = control_.size();
    }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    ~Message() = default;

    [[nodiscard]] msghdr* get() { return &header_; }
    [[nodiscard]] cmsghdr* first() { return CMSG_FIRSTHDR(&header_); }

private:
    char byte_ = 0;
    iovec part_{&byte_, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_{};
    msghdr header_{};
};

}  // namespace

Bounded::Bounded()
    : BareEnvironment("bounded"), environments_(std::move(*loader::Environments::open())) {
    allow(BH_CLASS_FILES);
}

void Bounded::bound(bh_beancounter_id counter, loader::Bounds bounds) {
    const auto set = loader::set_bounds(environments_, label(), counter, bounds);
    EXPECT_TRUE(set.has_value()) << set.error().message();
}

void Bounded::unbound(bh_beancounter_id counter) {
    const auto cleared = loader::clear_bounds(environments_, label(), counter);
    EXPECT_TRUE(cleared.has_value()) << cleared.error().message();
}

bh_beancounter Bounded::counter(bh_beancounter_id counter) const {
    const auto row = loader::read_beancounters(label());
    EXPECT_TRUE(row.has_value() && row->has_value()) << "nothing is counted";
    return row && *row ? (*row)->counters[counter] : bh_beancounter{};
}

bool Bounded::settles_at_zero(bh_beancounter_id id) const {
    for (int waited = 0; waited < 100 && counter(id).held != 0; ++waited)
        ::usleep(50'000);
    return counter(id).held == 0;
}

unsigned charged_objects() {
    const auto charges = loader::open_pinned_map<__u64, bh_charge>("bh_charges");
    unsigned objects = 0;
    EXPECT_TRUE(charges && charges->for_each_key([&](__u64) { ++objects; }));
    return objects;
}

Pair::Pair() {
    std::array<int, 2> ends{-1, -1};
    // The kernel writes the numbers before it knows whether there will be sockets.
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return;
    first_ = UniqueFd(ends[0]);
    second_ = UniqueFd(ends[1]);
}

long Pair::send_descriptor(int descriptor) const {
    Message message;
    cmsghdr* const header = message.first();
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return ::sendmsg(first_.get(), message.get(), 0);
}

UniqueFd Pair::receive_descriptor() const {
    Message message;
    int descriptor = -1;
    if (::recvmsg(second_.get(), message.get(), MSG_CMSG_CLOEXEC | MSG_DONTWAIT) == 1 &&
        message.first() != nullptr)
        std::memcpy(&descriptor, CMSG_DATA(message.first()), sizeof descriptor);
    return UniqueFd(descriptor);
}

}  // namespace bulkhead::tests
