#include "runtime/policy/schema.h"

#include <algorithm>
#include <array>

namespace bulkhead::policy {
namespace {

constexpr std::string_view kModes = "enforce|audit|learn";
constexpr std::string_view kVerdicts = "allow|refuse";

constexpr KeyInfo mode_of(Key key, Section section) {
    return {
        key,
        section,
        "mode",
        Kind::kChoice,
        kModes,
        "the policy's mode",
        "`audit`: what this section would refuse is allowed, but recorded; `learn`: all that it "
        "knows of is allowed and learned, and its other keys are not asked"};
}

constexpr KeyInfo class_key(Section section, std::string_view name, std::string_view initially,
                            std::string_view meaning, bh_class class_id) {
    return {Key::kClass, section, name, Kind::kChoice, kVerdicts, initially, meaning, class_id};
}

constexpr std::array kKeys = {
    KeyInfo{Key::kExtends, Section::kTop, "extends", Kind::kText, "", "`default`",
            "the profile that this policy starts from"},
    KeyInfo{Key::kDescription, Section::kTop, "description", Kind::kText, "", "",
            "one sentence for people"},
    KeyInfo{Key::kMode, Section::kTop, "mode", Kind::kChoice, kModes, "enforce",
            "`audit`: what would be refused is allowed, but recorded; `learn`: all is allowed and "
            "learned, for `bulkhead policy learn` to write a policy of it"},
    KeyInfo{Key::kAllow, Section::kTop, "allow", Kind::kTexts, "", "",
            "classes that are not refused; `bulkhead why` names them"},

    KeyInfo{Key::kFilesDefault, Section::kFiles, "default", Kind::kChoice, "read-write|read|refuse",
            "read-write", "what holds where no list names a path"},
    KeyInfo{Key::kRead, Section::kFiles, "read", Kind::kTexts, "", "",
            "paths that may be read, with all beneath them"},
    KeyInfo{Key::kWrite, Section::kFiles, "write", Kind::kTexts, "", "",
            "paths that may be read and written"},
    KeyInfo{Key::kAppend, Section::kFiles, "append", Kind::kTexts, "", "",
            "paths that may be read, and opened for appending only"},
    KeyInfo{Key::kRefuse, Section::kFiles, "refuse", Kind::kTexts, "", "",
            "paths of which nothing is given"},
    KeyInfo{Key::kExecute, Section::kFiles, "execute", Kind::kTexts, "", "all",
            "with this key, programs and libraries run from these paths only"},
    KeyInfo{Key::kDrift, Section::kFiles, "drift", Kind::kChoice, kVerdicts, "allow",
            "`refuse`: nothing that was written after the start runs"},
    KeyInfo{Key::kAllowDevices, Section::kFiles, "allow_devices", Kind::kTexts, "", "",
            "devices of the machine that may be opened beside the harmless ones, such as "
            "`/dev/fuse`; a start makes their nodes"},
    KeyInfo{Key::kRevoke, Section::kFiles, "revoke", Kind::kChoice, "open-files|none", "none",
            "`open-files`: files that were opened under an earlier policy are judged again at each "
            "read, write and mapping"},
    mode_of(Key::kFilesMode, Section::kFiles),

    KeyInfo{Key::kNetworkDefault, Section::kNetwork, "default", Kind::kChoice, "allow|refuse|drop",
            "allow", "what holds for an address that no list names"},
    KeyInfo{Key::kNetworkAllow, Section::kNetwork, "allow", Kind::kTexts, "", "",
            "addresses that may be reached: `ADDRESS[/PREFIX][:PORTS][/PROTOCOL]`; and other "
            "environments of the same network namespace: `environment:NAME[:PORTS][/PROTOCOL]`"},
    KeyInfo{Key::kNetworkRefuse, Section::kNetwork, "refuse", Kind::kTexts, "", "",
            "addresses and environments that are refused with EPERM"},
    KeyInfo{Key::kNetworkDrop, Section::kNetwork, "drop", Kind::kTexts, "", "",
            "addresses and environments to which packets vanish; connecting is refused"},
    KeyInfo{Key::kResolver, Section::kNetwork, "resolver", Kind::kText, "", "",
            "the address of a name server: port 53 there may be reached by UDP and TCP"},
    KeyInfo{Key::kListen, Section::kNetwork, "listen", Kind::kTexts, "", "all",
            "with this key, only these ports may be served: `[PROTOCOL/]PORTS`"},
    KeyInfo{Key::kFamilies, Section::kNetwork, "families", Kind::kChoices, "raw|other", "",
            "socket families beyond unix, inet, inet6 and netlink route: `raw` (raw and packet "
            "sockets), `other` (all others)"},
    mode_of(Key::kNetworkMode, Section::kNetwork),

    class_key(Section::kProcesses, "ptrace", "allow", "tracing processes of the same environment",
              BH_CLASS_DEBUG),
    class_key(Section::kProcesses, "user_namespaces", "refuse", "making user namespaces",
              BH_CLASS_USER_NAMESPACES),
    class_key(Section::kProcesses, "priority", "allow", "raising priority, real-time scheduling",
              BH_CLASS_PRIORITY),
    class_key(Section::kProcesses, "core_dumps", "allow", "core dumps", BH_CLASS_CORE_DUMPS),
    class_key(Section::kProcesses, "personality", "allow",
              "executing with another personality than Linux's own", BH_CLASS_PERSONALITY),
    class_key(Section::kProcesses, "setuid", "allow",
              "gaining privilege by executing a set-uid or capable file", BH_CLASS_SETUID),
    class_key(Section::kProcesses, "anonymous_execution", "allow",
              "running what lies in no directory: memfd, deleted files", BH_CLASS_ANONYMOUS_CODE),
    class_key(Section::kProcesses, "writable_code", "allow",
              "memory that is both writable and executable", BH_CLASS_WRITABLE_CODE),
    mode_of(Key::kProcessesMode, Section::kProcesses),

    KeyInfo{Key::kKeep, Section::kCapabilities, "keep", Kind::kTexts, "", "all",
            "with this key, only these capabilities have effect: `CAP_CHOWN` or `chown`"},
    mode_of(Key::kCapabilitiesMode, Section::kCapabilities),

    class_key(Section::kKernel, "bpf", "refuse", "the bpf() system call", BH_CLASS_BPF),
    class_key(Section::kKernel, "io_uring", "refuse", "io_uring", BH_CLASS_IO_URING),
    class_key(Section::kKernel, "perf", "refuse", "performance events", BH_CLASS_PERF),
    class_key(Section::kKernel, "keyring", "refuse", "keys and keyrings of others", BH_CLASS_KEYS),
    class_key(Section::kKernel, "userfaultfd", "refuse", "userfaultfd", BH_CLASS_USERFAULTFD),
    class_key(Section::kKernel, "modules", "refuse", "loading modules, firmware and kexec images",
              BH_CLASS_MODULES),
    KeyInfo{Key::kSysctl, Section::kKernel, "sysctl", Kind::kChoiceOrTexts, kVerdicts, "refuse",
            "writing below /proc/sys; a list: only these, of its own namespaces, such as "
            "`net.ipv4.ip_forward` or `net.*`",
            BH_CLASS_SYSCTL},
    KeyInfo{
        Key::kFuse, Section::kKernel, "fuse", Kind::kChoice, kVerdicts, "refuse",
        "opening `/dev/fuse`, of which a start makes the node; mounting what is behind it needs "
        "`[mounts] family` too"},
    KeyInfo{Key::kIoctl, Section::kKernel, "ioctl", Kind::kChoices,
            "terminal|tun|block|loop|gpu|kvm|fuse|input|sound|other", "all",
            "with this key, only devices of these kinds take `ioctl`, of those that may be opened; "
            "files that are no devices are not asked about"},
    KeyInfo{Key::kCgroups, Section::kKernel, "cgroups", Kind::kChoice, "own|refuse", "refuse",
            "`own`: making cgroups below the environment's and moving its processes there; its own "
            "limits stay as they are"},
    class_key(Section::kKernel, "clock", "refuse", "setting the clock", BH_CLASS_CLOCK),
    class_key(Section::kKernel, "syslog", "refuse", "reading the kernel's log", BH_CLASS_SYSLOG),
    mode_of(Key::kKernelMode, Section::kKernel),

    class_key(Section::kMounts, "family", "refuse",
              "mounting, unmounting and moving mounts; CAP_SYS_ADMIN inside, where `keep` has it",
              BH_CLASS_MOUNTS),
    mode_of(Key::kMountsMode, Section::kMounts),

    KeyInfo{Key::kIpcSignal, Section::kIpc, "signal", Kind::kTexts, "", "none",
            "environments that may send signals here, and get them from here"},
    KeyInfo{Key::kIpcConnect, Section::kIpc, "connect", Kind::kTexts, "", "none",
            "environments that may reach Unix sockets of this one, by path or abstract name, and "
            "be reached"},
    KeyInfo{Key::kIpcShareMemory, Section::kIpc, "share_memory", Kind::kTexts, "", "none",
            "environments that may use System V memory, semaphores and queues of this one, and "
            "whose this one may use"},
};

struct SectionInfo {
    std::string_view name;
    std::string_view meaning;
};

constexpr std::array<SectionInfo, kSectionCount> kSections = {{
    {"", "Keys of the policy itself, before the first section."},
    {"files", "Files and programs by path. The longest path that a list names decides."},
    {"network",
     "Addresses and ports. The name of an environment decides, else the longest prefix that a list "
     "names."},
    {"processes", "What processes may do to each other and to themselves."},
    {"capabilities", "Capabilities that have effect inside."},
    {"kernel", "Interfaces of the kernel."},
    {"mounts", "The mount family of system calls."},
    {"ipc",
     "Other environments, by name. An act passes only where both policies name the other for it."},
}};

constexpr std::uint64_t bit(int class_id) {
    return 1ULL << class_id;
}

constexpr std::uint64_t kFilesClasses =
    bit(BH_CLASS_PATHS) | bit(BH_CLASS_EXECUTION) | bit(BH_CLASS_DRIFT);
constexpr std::uint64_t kNetworkClasses = bit(BH_CLASS_EGRESS) | bit(BH_CLASS_LISTEN) |
                                          bit(BH_CLASS_FAMILIES) | bit(BH_CLASS_RAW_SOCKETS);

}  // namespace

std::span<const KeyInfo> keys() {
    return kKeys;
}

const KeyInfo* find_key(Section section, std::string_view name) {
    const auto* found = std::find_if(kKeys.begin(), kKeys.end(), [&](const KeyInfo& info) {
        return info.section == section && info.name == name;
    });
    return found == kKeys.end() ? nullptr : found;
}

std::vector<std::string_view> key_names(Section section) {
    std::vector<std::string_view> names;
    for (const KeyInfo& info : kKeys) {
        if (info.section == section)
            names.push_back(info.name);
    }
    return names;
}

std::vector<std::string_view> split_choices(std::string_view choices) {
    std::vector<std::string_view> list;
    while (!choices.empty()) {
        const std::size_t end = std::min(choices.find('|'), choices.size());
        list.push_back(choices.substr(0, end));
        choices.remove_prefix(std::min(end + 1, choices.size()));
    }
    return list;
}

std::string_view section_name(Section section) {
    return kSections[static_cast<std::size_t>(section)].name;
}

std::string_view section_meaning(Section section) {
    return kSections[static_cast<std::size_t>(section)].meaning;
}

std::optional<Section> find_section(std::string_view name) {
    for (std::size_t i = 1; i < kSectionCount; ++i) {
        if (kSections[i].name == name)
            return static_cast<Section>(i);
    }
    return std::nullopt;
}

std::uint64_t section_classes(Section section) {
    if (section == Section::kFiles)
        return kFilesClasses;
    if (section == Section::kNetwork)
        return kNetworkClasses;
    if (section == Section::kCapabilities)
        return bit(BH_CLASS_DROPPED_CAPABILITIES);
    std::uint64_t classes = 0;
    for (const KeyInfo& info : kKeys) {
        if (info.section == section && info.class_id != kNoClass)
            classes |= bit(info.class_id);
    }
    return classes;
}

Section section_of_class(unsigned class_id) {
    for (std::size_t i = 1; i < kSectionCount; ++i) {
        const auto section = static_cast<Section>(i);
        if ((section_classes(section) >> class_id & 1) != 0)
            return section;
    }
    return Section::kTop;
}

std::string key_title(const KeyInfo& info) {
    if (info.section == Section::kTop)
        return std::string(info.name);
    return "[" + std::string(section_name(info.section)) + "] " + std::string(info.name);
}

}  // namespace bulkhead::policy
