// bulkhead doctor: what is effective on this machine, proved by trying it. Exit code 3: an
// environment could not be fenced as promised.
#include "runtime/doctor.h"

#include <cstdio>
#include <memory>
#include <set>

#include "cli/commands.h"
#include "runtime/json.h"

namespace bulkhead::cli {
namespace {

constexpr int kExitUnsupported = 3;

struct Options {
    bool json = false;
};

const char* verdict(const runtime::Check& check) {
    if (check.effective)
        return "yes";
    return check.need == runtime::Need::kRequired ? "NO" : "no";
}

void print_row(const runtime::Check& check) {
    std::printf("  %-8s %-24s %-4s %s\n", check.group.c_str(), check.name.c_str(), verdict(check),
                check.why.c_str());
}

// Many checks can share a remedy (no privilege, one missing kernel parameter): each is said once.
class Remedies {
public:
    void print(const char* heading, const runtime::Diagnosis& diagnosis, runtime::Need need) {
        for (const runtime::Check& check : diagnosis.checks) {
            if (check.effective || check.need != need || !said_.insert(check.remedy).second)
                continue;
            std::printf("%s  %s: %s\n", heading, check.name.c_str(), check.remedy.c_str());
            heading = "";
        }
    }

private:
    std::set<std::string> said_{""};
};

void print_table(const runtime::Diagnosis& diagnosis) {
    std::printf("kernel %s\n\n", diagnosis.kernel.c_str());
    std::printf("  %-8s %-24s %-4s %s\n", "GROUP", "CHECK", "", "WHY");
    for (const runtime::Check& check : diagnosis.checks)
        print_row(check);
    std::printf("\n%s\n", diagnosis.can_enforce()
                              ? "This machine can fence, limit and meter environments."
                              : "This machine CANNOT fence environments as promised:");
    Remedies remedies;
    remedies.print("", diagnosis, runtime::Need::kRequired);
    remedies.print("Optional, and not effective:\n", diagnosis, runtime::Need::kOptional);
}

void print_json(const runtime::Diagnosis& diagnosis) {
    Json checks = Json::array();
    for (const runtime::Check& check : diagnosis.checks)
        checks.push_back({{"name", check.name},
                          {"group", check.group},
                          {"required", check.need == runtime::Need::kRequired},
                          {"effective", check.effective},
                          {"why", check.why},
                          {"remedy", check.remedy}});
    const Json document = {
        {"kernel", diagnosis.kernel}, {"can_enforce", diagnosis.can_enforce()}, {"checks", checks}};
    std::puts(document.indented().c_str());
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.flag("--json", options->json, "print JSON");
    return [options](const Payload&) -> Result<int> {
        const runtime::Diagnosis diagnosis = runtime::diagnose();
        if (options->json)
            print_json(diagnosis);
        else
            print_table(diagnosis);
        return diagnosis.can_enforce() ? 0 : kExitUnsupported;
    };
}

}  // namespace

const Command kDoctor = {"doctor", "try every control and meter, and say what is effective here",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
