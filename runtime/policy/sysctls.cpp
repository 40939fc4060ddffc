// [kernel] sysctl.
#include "runtime/policy/sysctls.h"

#include <algorithm>
#include <array>

#include "runtime/policy/compile.h"

namespace bulkhead::policy {
namespace {

constexpr std::size_t kLongestName = 255;
constexpr std::size_t kMostNames = 16;  // the deepest that the kernel has are of eight

struct Namespaced {
    std::string_view name;  // of one, or with * of all beneath
    bh_node_flags kind;
};

// But net, where all that an own namespace shows is its own (namespaces(7), and the tables of
// ipc/ipc_sysctl.c, ipc/mq_sysctl.c and kernel/utsname_sysctl.c).
constexpr std::array kNamespaced = {Namespaced{"net.*", BH_NODE_NET},
                                    Namespaced{"kernel.auto_msgmni", BH_NODE_IPC},
                                    Namespaced{"kernel.msg_next_id", BH_NODE_IPC},
                                    Namespaced{"kernel.msgmax", BH_NODE_IPC},
                                    Namespaced{"kernel.msgmnb", BH_NODE_IPC},
                                    Namespaced{"kernel.msgmni", BH_NODE_IPC},
                                    Namespaced{"kernel.sem", BH_NODE_IPC},
                                    Namespaced{"kernel.sem_next_id", BH_NODE_IPC},
                                    Namespaced{"kernel.shm_next_id", BH_NODE_IPC},
                                    Namespaced{"kernel.shm_rmid_forced", BH_NODE_IPC},
                                    Namespaced{"kernel.shmall", BH_NODE_IPC},
                                    Namespaced{"kernel.shmmax", BH_NODE_IPC},
                                    Namespaced{"kernel.shmmni", BH_NODE_IPC},
                                    Namespaced{"fs.mqueue.*", BH_NODE_IPC},
                                    Namespaced{"kernel.domainname", BH_NODE_UTS},
                                    Namespaced{"kernel.hostname", BH_NODE_UTS}};

loader::SysctlRow split(std::string_view text) {
    const std::size_t first = text.find_first_of("./");
    const char separator = first == std::string_view::npos ? '.' : text[first];
    loader::SysctlRow row;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(separator, begin), text.size());
        row.names.emplace_back(text.substr(begin, end - begin));
        begin = end + 1;
    }
    if (row.names.back() == "*") {
        row.names.pop_back();
        row.flags |= BH_NODE_BENEATH;
    }
    return row;
}

bool is_name(const std::string& name) {
    return !name.empty() && name.size() <= kLongestName && name != "." && name != ".." &&
           name.find_first_of("*/") == std::string::npos;
}

bool covers(const loader::SysctlRow& row, const loader::SysctlRow& wanted) {
    if (row.names.size() > wanted.names.size() ||
        !std::equal(row.names.begin(), row.names.end(), wanted.names.begin()))
        return false;
    const bool same = row.names.size() == wanted.names.size();
    if ((row.flags & BH_NODE_BENEATH) != 0)
        return !same || (wanted.flags & BH_NODE_BENEATH) != 0;
    return same && (wanted.flags & BH_NODE_BENEATH) == 0;
}

std::string not_the_environments(std::string_view text, const loader::SysctlRow& row) {
    const std::string name(text);
    if ((row.flags & BH_NODE_BENEATH) != 0)
        return name + " has sysctls that are the machine's: name one by one those that are not";
    std::vector<std::string_view> known;
    known.reserve(kNamespaced.size());
    for (const Namespaced& one : kNamespaced)
        known.push_back(one.name);
    return name + " is the machine's: cannot be allowed" + did_you_mean(text, known);
}

// The row of a policy's list that the kernel programs get.
void add_row(Compilation& compilation, std::uint32_t number) {
    const std::string& text = compilation.statement(number).value;
    std::vector<loader::SysctlRow>& rows = compilation.policy.rules.sysctls;
    ParsedSysctl parsed = parse_sysctl(text);
    if (!parsed.wrong.empty())
        return compilation.mistake(number, "[kernel] sysctl: " + parsed.wrong);
    if (const loader::SysctlRow* other = covering_row(rows, parsed.row))
        return compilation.mistake(number, "[kernel] sysctl \"" + text + "\" changes nothing: " +
                                               compilation.policy.describe_rule(other->rule) +
                                               " gives it already");
    parsed.row.rule = number;
    rows.push_back(std::move(parsed.row));
}

}  // namespace

ParsedSysctl parse_sysctl(std::string_view text) {
    ParsedSysctl parsed{split(text), ""};
    loader::SysctlRow& row = parsed.row;
    const std::string quoted = "\"" + std::string(text) + "\"";
    if (row.names.size() > kMostNames || !std::all_of(row.names.begin(), row.names.end(), is_name))
        parsed.wrong = quoted +
                       " is no sysctl's name: write it as sysctl(8) does, \"net.ipv4.ip_forward\", "
                       "or \"net.ipv4.*\" for all beneath";
    else if (row.names.empty())
        parsed.wrong = "\"*\" is all that the machine has: write sysctl = \"allow\"";
    if (!parsed.wrong.empty())
        return parsed;
    for (const Namespaced& known : kNamespaced) {
        if (covers(split(known.name), row))
            row.flags |= known.kind;
    }
    if ((row.flags & BH_NODE_SYSCTL) == 0)
        parsed.wrong = not_the_environments(text, row);
    return parsed;
}

std::string sysctl_text(const loader::SysctlRow& row) {
    const bool has_dots = std::any_of(row.names.begin(), row.names.end(), [](const auto& name) {
        return name.find('.') != std::string::npos;
    });
    const char* separator = has_dots ? "/" : ".";
    std::string text;
    for (const std::string& name : row.names)
        text += (text.empty() ? "" : separator) + name;
    return (row.flags & BH_NODE_BENEATH) != 0 ? text + separator + "*" : text;
}

std::string sysctl_of_path(std::string_view path) {
    constexpr std::string_view kAbove = "/sys/";
    if (!path.starts_with(kAbove))
        return "";
    const ParsedSysctl parsed = parse_sysctl(path.substr(kAbove.size()));
    return parsed.wrong.empty() ? sysctl_text(parsed.row) : "";
}

const loader::SysctlRow* covering_row(const std::vector<loader::SysctlRow>& rows,
                                      const loader::SysctlRow& wanted) {
    const loader::SysctlRow* longest = nullptr;
    for (const loader::SysctlRow& row : rows) {
        if (covers(row, wanted) &&
            (longest == nullptr || row.names.size() >= longest->names.size()))
            longest = &row;
    }
    return longest;
}

// A key stands once in a text: of the last text that has it, it is a list or one word.
void compile_sysctl_class(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kSysctl, Form::kList);
    const std::uint32_t word = compilation.last(Key::kSysctl);
    if (list != 0 && (word == 0 || compilation.source_of(list) >= compilation.source_of(word)))
        return compilation.refuse(BH_CLASS_SYSCTL, list);
    if (word == 0)
        return;
    if (compilation.statement(word).value == "allow")
        compilation.allow(BH_CLASS_SYSCTL, word);
    else
        compilation.refuse(BH_CLASS_SYSCTL, word);
}

void compile_sysctls(Compilation& compilation) {
    const std::uint32_t list = compilation.last(Key::kSysctl, Form::kList);
    loader::Rules& rules = compilation.policy.rules;
    if (list == 0 ||
        compilation.source_of(compilation.last(Key::kSysctl)) > compilation.source_of(list))
        return;
    if (!compilation.refuses(BH_CLASS_SYSCTL))
        return compilation.mistake(list, "[kernel] sysctl changes nothing: " +
                                             compilation.policy.describe_rule(
                                                 rules.policy.rule_of_class[BH_CLASS_SYSCTL]) +
                                             " allows all sysctls");
    for (const std::uint32_t number : compilation.entries_of_last(Key::kSysctl))
        add_row(compilation, number);
    if (!rules.sysctls.empty())
        rules.policy.flags |= BH_POLICY_SYSCTLS;
}

}  // namespace bulkhead::policy
