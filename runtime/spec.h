// What an environment is to be, before it exists. The same specification serves a `run`, an
// environment that is created now and started later, and one that is started again.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loader/result.h"
#include "loader/rules.h"
#include "runtime/beancounters.h"
#include "runtime/budgets.h"
#include "runtime/cgroup.h"
#include "runtime/plans.h"
#include "runtime/policy/mistakes.h"

namespace bulkhead::runtime {

inline constexpr std::string_view kHostTemplate = "host";
inline constexpr std::uint64_t kLeastMemoryBytes = 1 << 20;
// cpu.max knows no quota below one millisecond in a period of a hundred.
inline constexpr std::uint64_t kLeastCpuMilli = 10;

enum class RootKind {
    kTemplate,  // a shared read-only lower layer under an overlay of the environment's own
    kRootfs,    // the directory itself, used as it is
};

struct RootSpec {
    RootKind kind = RootKind::kTemplate;
    // "host", or an absolute directory.
    std::string path = std::string(kHostTemplate);
};

enum class MountAccess { kReadWrite, kReadOnly };

struct BindMount {
    std::string source;       // on the host, absolute
    std::string destination;  // inside, absolute
    MountAccess access = MountAccess::kReadWrite;
};

enum class NetworkKind {
    kNone,  // an own namespace in which only loopback is up
    kHost,
};

enum class TerminalKind { kNone, kTerminal };
enum class InitKind {
    kPayload,  // the command is pid 1
    kReaper,   // a minimal init is pid 1, reaps, and ends with the command
};

// A process to start inside: the first one or a later `exec`.
struct ProcessSpec {
    std::vector<std::string> argv;
    std::vector<std::string> env;  // NAME=value; these replace the defaults
    std::string workdir;           // empty: the user's home, or /
    std::string user;              // NAME|UID[:GROUP|GID]; empty: root
    TerminalKind terminal = TerminalKind::kNone;
    InitKind init = InitKind::kPayload;
};

// What happens to the environment once its first process has ended.
enum class Afterlife {
    kRemove,  // everything is removed
    kKeep,    // record, usage and writable layer stay until `destroy`
};

enum class Strictness {
    kStrict,      // a control or limit that cannot be effective makes the start fail
    kBestEffort,  // it is left out, and shown in `status` and in a metric
};

// What it may do, compiled, and where that came from. Once it has started, the kernel's record and
// the kept texts (policy_record.h) tell: a policy changes while it runs.
struct PolicySpec {
    loader::Rules rules;                  // with the control word to start with
    std::string name;                     // the profile or file
    std::vector<policy::Source> sources;  // its text and those that it extends
};

struct EnvironmentSpec {
    std::string name;
    std::string hostname;  // empty: the name
    RootSpec root;
    std::vector<BindMount> mounts;
    std::vector<std::string> tmpfs;  // destinations
    Limits limits;
    std::vector<BeancounterBounds> beancounters;
    std::vector<BudgetWanted> budgets;
    std::vector<PlanWanted> plans;
    NetworkKind network = NetworkKind::kNone;
    ProcessSpec process;
    Afterlife afterlife = Afterlife::kRemove;
    Strictness strictness = Strictness::kStrict;
    PolicySpec policy;
    std::string receipt_path;    // empty: none
    std::string learned_path;    // where the policy that it learned goes at its end; empty: nowhere
    std::string adopted_cgroup;  // path below the hierarchy's root; empty: made by us
};

// Checks what can be checked without touching the system. kUsage, naming the field.
Status validate(const EnvironmentSpec& spec);
// 1 to 63 of [A-Za-z0-9_.-], the first a letter or digit.
Status validate_name(std::string_view name);

// Ten hexadecimal digits behind "env-".
std::string generate_name();

// "512M", "2G", "1048576": bytes, powers of 1024.
Result<std::uint64_t> parse_bytes(std::string_view text);
// "1.5": thousandths of one CPU.
Result<std::uint64_t> parse_cpus(std::string_view text);
// "SRC:DST[:ro]".
Result<BindMount> parse_mount(std::string_view text);

}  // namespace bulkhead::runtime
