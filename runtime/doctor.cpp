#include "runtime/doctor.h"

#include <sys/utsname.h>

#include <algorithm>
#include <iterator>

#include "runtime/doctor_checks.h"

namespace bulkhead::runtime {

bool Diagnosis::can_enforce() const {
    return std::all_of(checks.begin(), checks.end(), [](const Check& check) {
        return check.effective || check.need == Need::kOptional;
    });
}

Check conclude(std::string_view group, Trial trial, const Status& outcome) {
    Check check{std::move(trial.name), std::string(group),     trial.need,
                outcome.has_value(),   std::move(trial.proof), {}};
    if (outcome)
        return check;
    // The remedy has a field of its own: only the story and the errno belong into `why`.
    const Error& error = outcome.error();
    check.why = Error(error.code(), error.what()).message();
    check.remedy = error.remedy().empty() ? trial.remedy : error.remedy();
    return check;
}

Diagnosis diagnose() {
    utsname name{};
    ::uname(&name);
    Diagnosis diagnosis{name.release, {}};
    for (const auto group : {check_kernel, check_programs, check_protection, check_limits,
                             check_beancounters, check_namespaces, check_mounts, check_pressure}) {
        Checks checks = group();
        std::move(checks.begin(), checks.end(), std::back_inserter(diagnosis.checks));
    }
    return diagnosis;
}

}  // namespace bulkhead::runtime
