// The language of policies: every section and key with its type, meaning and default. From this one
// table come what the parser knows, the JSON Schema and the reference in docs/policy.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/wire.h"

namespace bulkhead::policy {

enum class Section : std::uint8_t {
    kTop,
    kFiles,
    kNetwork,
    kProcesses,
    kCapabilities,
    kKernel,
    kMounts,
    kIpc,
};
inline constexpr std::size_t kSectionCount = 8;

enum class Key : std::uint8_t {
    kExtends,
    kDescription,
    kMode,
    kAllow,
    kFilesMode,
    kFilesDefault,
    kRead,
    kWrite,
    kAppend,
    kRefuse,
    kExecute,
    kDrift,
    kRevoke,
    kAllowDevices,
    kCgroups,
    kSysctl,
    kFuse,
    kIoctl,
    kNetworkMode,
    kFamilies,
    kListen,
    kNetworkDefault,
    kNetworkAllow,
    kNetworkRefuse,
    kNetworkDrop,
    kResolver,
    kProcessesMode,
    kClass,  // any key that only refuses or allows a class
    kCapabilitiesMode,
    kKeep,
    kKernelMode,
    kMountsMode,
    kIpcSignal,
    kIpcConnect,
    kIpcShareMemory,
};

enum class Kind : std::uint8_t {
    kText,
    kChoice,   // one of `choices`
    kChoices,  // a list of these
    kTexts,    // a list
    kChoiceOrTexts,
};

inline constexpr int kNoClass = -1;

struct KeyInfo {
    Key key;
    Section section;
    std::string_view name;
    Kind kind;
    std::string_view choices;    // "allow|refuse"
    std::string_view initially;  // what holds without the key
    std::string_view meaning;
    int class_id = kNoClass;  // that the key decides about by itself
};

// In the order of the reference.
std::span<const KeyInfo> keys();
// nullptr: there is none.
const KeyInfo* find_key(Section section, std::string_view name);
std::vector<std::string_view> key_names(Section section);
// "a|b" as a and b.
std::vector<std::string_view> split_choices(std::string_view choices);

// "" for the top.
std::string_view section_name(Section section);
std::string_view section_meaning(Section section);
std::optional<Section> find_section(std::string_view name);
// The classes that `mode` in this section is about, a bit each.
std::uint64_t section_classes(Section section);
// Where a policy decides about a class.
Section section_of_class(unsigned class_id);

// "[files] read", "mode".
std::string key_title(const KeyInfo& info);

// JSON Schema (draft 2020-12) of a policy, as text.
std::string json_schema();
// The reference in Markdown, one table for each section.
std::string reference();

}  // namespace bulkhead::policy
