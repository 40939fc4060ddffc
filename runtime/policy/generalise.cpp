#include "runtime/policy/generalise.h"

#include <algorithm>
#include <unordered_set>

#include "loader/refusals.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/decide.h"
#include "runtime/policy/sysctls.h"

namespace bulkhead::policy {
namespace {

class Check {
public:
    Check(const Observations& seen, const Policy& policy)
        : seen_(seen), policy_(policy), paths_(policy.rules) {}

    std::vector<std::string> run() {
        check_files();
        check_moves();
        check_network();
        check_mounted();
        for (const auto& [path, seen] : seen_.devices)
            expect(decide_device(policy_, path), "device " + path);
        if (seen_.own_cgroups.count != 0)
            expect(decide_own_cgroups(policy_), "cgroup own");
        for (const unsigned capability : seen_.capabilities)
            expect(decide_capability(policy_, capability), capability_name(capability));
        for (const auto& [name, count] : seen_.sysctls)
            expect(decide_sysctl(policy_, parse_sysctl(name).row), "sysctl " + name);
        for (const auto& [class_id, seen] : seen_.classes)
            expect(decide_class(policy_, class_id),
                   std::string("class ") + loader::class_name(class_id));
        return std::move(refused_);
    }

private:
    void expect(const Decision& decision, std::string act) {
        if (!decision.allowed)
            refused_.push_back(std::move(act));
    }

    void check_files() {
        constexpr std::pair<bh_right, const char*> kActs[] = {{BH_RIGHT_READ, "open-read "},
                                                              {BH_RIGHT_WRITE, "open-write "},
                                                              {BH_RIGHT_APPEND, "open-append "},
                                                              {BH_RIGHT_EXECUTE, "exec "}};
        for (const SeenFile& file : seen_.files) {
            std::uint32_t rights = paths_.at(file.path).rights;
            // Without a list a program runs where it may be read.
            if (!BH_CONTROL_REFUSES(policy_.rules.control, BH_CLASS_EXECUTION) &&
                (rights & BH_RIGHT_READ) != 0)
                rights |= BH_RIGHT_EXECUTE;
            for (const auto& [right, act] : kActs) {
                if ((file.rights & right) != 0 && (rights & right) == 0)
                    refused_.push_back(act + file.path);
            }
        }
    }

    // By the default, which is what the root itself has.
    void check_mounted() {
        const std::uint32_t missing = seen_.mounted.rights & ~paths_.at("/").rights;
        if (missing != 0)
            refused_.push_back("what was mounted: " + seen_.mounted.files.example);
    }

    void check_moves() {
        const std::vector<std::string> all = paths_.all();
        const std::unordered_set<std::string> nodes(all.begin(), all.end());
        for (const SeenMove& move : seen_.moves) {
            const bool pins =
                move.is_directory && (nodes.contains(move.from) || nodes.contains(move.to));
            if (pins || paths_.at(move.from).rights != paths_.at(move.to).rights)
                refused_.push_back("move " + move.from + " to " + move.to);
        }
    }

    void check_network() {
        for (const SeenAddress& one : seen_.addresses)
            expect(decide_target(policy_, {one.address, {one.port, one.port, one.protocol}, ""}),
                   "connect " + to_text(one.address) +
                       ports_suffix({one.port, one.port, one.protocol}));
        for (const SeenPort& one : seen_.ports)
            expect(decide_listen(policy_, {one.port, one.port, one.protocol}),
                   "listen " + listen_text({one.port, one.port, one.protocol}));
    }

    const Observations& seen_;
    const Policy& policy_;
    Paths paths_;
    std::vector<std::string> refused_;
};

}  // namespace

std::vector<std::string> refused_of(const Observations& seen, const Policy& policy) {
    return Check(seen, policy).run();
}

}  // namespace bulkhead::policy
