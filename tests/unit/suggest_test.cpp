// The line of a policy that would allow what was refused: it does.
#include "runtime/suggest.h"

#include <cstring>

#include "tests/unit/policy_support.h"

namespace bulkhead::tests {
namespace {

bh_refusal refusal(bh_class class_id, __u64 first = 0, __u64 second = 0, __u64 third = 0,
                   __u64 fourth = 0) {
    bh_refusal row{};
    row.class_id = static_cast<__u8>(class_id);
    row.object[0] = first;
    row.object[1] = second;
    row.object[2] = third;
    row.object[3] = fourth;
    return row;
}

bh_refusal of_file(bh_class class_id, bh_right right) {
    bh_refusal row = refusal(class_id, 0, 0, 0, right);
    std::strcpy(row.text[0], "cert.pem");
    std::strcpy(row.text[1], "ssl");
    std::strcpy(row.text[2], "/");
    return row;
}

TEST(Suggest, NamesThePathAndTheRight) {
    EXPECT_EQ(runtime::suggest(of_file(BH_CLASS_PATHS, BH_RIGHT_READ)),
              "[files] read = [\"/ssl/cert.pem\"]");
    EXPECT_EQ(runtime::suggest(of_file(BH_CLASS_PATHS, BH_RIGHT_WRITE)),
              "[files] write = [\"/ssl/cert.pem\"]");
    EXPECT_EQ(runtime::suggest(of_file(BH_CLASS_PATHS, BH_RIGHT_APPEND)),
              "[files] append = [\"/ssl/cert.pem\"]");
    EXPECT_EQ(runtime::suggest(of_file(BH_CLASS_EXECUTION, BH_RIGHT_EXECUTE)),
              "[files] execute = [\"/ssl\"]");
}

TEST(Suggest, NamesTheAddress) {
    bh_refusal row = refusal(BH_CLASS_EGRESS, 2, 1, 6, 443);
    const unsigned char address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
    std::memcpy(row.text, address, sizeof address);
    EXPECT_EQ(runtime::suggest(row), "[network] allow = [\"10.0.0.1:443/tcp\"]");
    std::memset(row.text, 0, sizeof row.text);
    row.text[0][15] = 1;
    EXPECT_EQ(runtime::suggest(row), "[network] allow = [\"[::1]:443/tcp\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_LISTEN, 2, 2, 0, 53)),
              "[network] listen = [\"udp/53\"]");
}

TEST(Suggest, NamesTheKeyOfAClass) {
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_BPF)), "[kernel] bpf = \"allow\"");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_KERNEL_FILES)), "allow = [\"kernel_files\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_CGROUPS)), "[kernel] cgroups = \"own\"");
    constexpr __u64 kSysAdmin = 21, kSysBoot = 22;
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_CAPABILITIES, kSysAdmin, 1)),
              "[mounts] family = \"allow\"");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_CAPABILITIES, kSysAdmin, 0)),
              "allow = [\"capabilities\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_CAPABILITIES, kSysBoot, 0)),
              "allow = [\"capabilities\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_DROPPED_CAPABILITIES, 13)),
              "[capabilities] keep = [\"cap_net_raw\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_IDENTITY)), "");
}

}  // namespace
}  // namespace bulkhead::tests
