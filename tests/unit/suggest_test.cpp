// The line of a policy that would allow what was refused: it does.
#include "runtime/suggest.h"

#include <cstddef>
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
    std::strcpy(row.text[0] + offsetof(bh_reached_text, name), "db");
    EXPECT_EQ(runtime::suggest(row), "[network] allow = [\"environment:db:443/tcp\"]");
    EXPECT_EQ(runtime::suggest(refusal(BH_CLASS_LISTEN, 2, 2, 0, 53)),
              "[network] listen = [\"udp/53\"]");
}

TEST(Suggest, NamesTheSysctl) {
    bh_refusal row = refusal(BH_CLASS_SYSCTL);
    row.hook = BH_HOOK_file_open;
    std::strcpy(row.text[0], "ip_forward");
    std::strcpy(row.text[1], "ipv4");
    std::strcpy(row.text[2], "net");
    std::strcpy(row.text[3], "sys");
    std::strcpy(row.text[4], "/");
    EXPECT_EQ(runtime::suggest(row), "[kernel] sysctl = [\"net.ipv4.ip_forward\"]");
    bh_refusal directory = row;
    directory.hook = BH_HOOK_path_mknod;
    EXPECT_EQ(runtime::suggest(directory), "[kernel] sysctl = [\"net.ipv4.ip_forward.*\"]");
    std::strcpy(row.text[0], "a_name_that_was_cut_off_after_31");
    row.text[0][BH_TEXT_BYTES - 1] = 0;
    EXPECT_EQ(runtime::suggest(row), "[kernel] sysctl = \"allow\"");
    std::strcpy(row.text[0], "core_pattern");
    std::strcpy(row.text[1], "kernel");
    std::strcpy(row.text[2], "sys");
    std::strcpy(row.text[3], "/");
    row.text[4][0] = 0;
    EXPECT_EQ(runtime::suggest(row), "[kernel] sysctl = \"allow\"");
}

TEST(Suggest, NamesTheKindOfDevice) {
    bh_refusal row = refusal(BH_CLASS_DEVICES, 10U << 20 | 200, 0x5401, 020600, BH_DEVICE_TUN);
    row.object_kind = BH_OBJECT_IOCTL;
    EXPECT_EQ(runtime::suggest(row), "[kernel] ioctl = [\"tun\"]");
    bh_refusal open = refusal(BH_CLASS_DEVICES);
    open.hook = BH_HOOK_file_open;
    std::strcpy(open.text[0], "fuse");
    std::strcpy(open.text[1], "/");
    EXPECT_EQ(runtime::suggest(open), "[kernel] fuse = \"allow\"");
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
