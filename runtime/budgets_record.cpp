#include "runtime/budgets_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>

#include "loader/environments.h"
#include "loader/unique_fd.h"
#include "runtime/clock.h"
#include "runtime/json_reader.h"
#include "runtime/start.h"
#include "runtime/store.h"

namespace bulkhead::runtime {
namespace {

constexpr int kFormatVersion = 1;
constexpr const char* kRemedy =
    "make room on that file system: what was used stays in the kernel, and the next command "
    "keeps it";

std::string directory() {
    return std::string(kKeptRoot) + "/.budgets";
}

std::string path_of(const std::string& name) {
    return directory() + "/" + name + ".json";
}

Status make_directories() {
    for (const std::string& path : {std::string(kKeptRoot), directory()})
        if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
            return fail_errno("make " + path);
    return {};
}

Status write_whole(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    const UniqueFd file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file)
        return fail(Error::from_errno("make " + fresh).advise(kRemedy));
    // Onto the disk before it has the name: a machine that stops leaves the old file or this one.
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.get()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
        return fail(Error::from_errno("write " + path).advise(kRemedy));
    return {};
}

// Empty when there is no file.
Result<std::string> read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (!file && errno == ENOENT)
        return std::string();
    if (!file || !(text << file.rdbuf()))
        return fail_errno("read " + path);
    return text.str();
}

}  // namespace

KeptBudgets kept_of(const bh_budgets& row, std::uint64_t now_ns, std::uint64_t now_unix_ns) {
    KeptBudgets kept;
    for (unsigned kind = 0; kind < BH_BUDGET_COUNT; ++kind) {
        const bh_budget& budget = row.budgets[kind];
        if ((row.asked & 1U << kind) == 0)
            continue;
        const std::uint64_t period = bh_period_at(now_ns, budget.origin_ns, budget.period_ns);
        const std::uint64_t since_ns = (now_ns - budget.origin_ns) % budget.period_ns;
        kept[loader::budget_name(kind)] = {budget.period_ns,
                                           now_unix_ns - since_ns,
                                           {.used = bh_used_in(budget.spent, period),
                                            .exceeded = budget.exceeded,
                                            .refused = budget.refused,
                                            .is_warned = budget.warned_in == period + 1,
                                            .is_exceeded = budget.exceeded_in == period + 1}};
    }
    return kept;
}

loader::CarriedOver carried_from(const KeptBudget& kept, std::uint64_t now_ns,
                                 std::uint64_t now_unix_ns) {
    loader::CarriedOver carried = kept.used;
    const std::uint64_t since_ns =
        now_unix_ns > kept.period_began_unix_ns ? now_unix_ns - kept.period_began_unix_ns : 0;
    carried.period_began_ns = now_ns - since_ns;
    return carried;
}

std::string to_json(const KeptBudgets& kept) {
    Json budgets = Json::object();
    for (const auto& [kind, one] : kept)
        budgets[kind] = {{"period_ns", one.period_ns},
                         {"period_began_unix_ns", one.period_began_unix_ns},
                         {"used", one.used.used},
                         {"exceeded", one.used.exceeded},
                         {"refused", one.used.refused},
                         {"is_warned", one.used.is_warned},
                         {"is_exceeded", one.used.is_exceeded}};
    return Json{{"format", kFormatVersion}, {"budgets", std::move(budgets)}}.compact() + "\n";
}

Result<KeptBudgets> kept_from_json(const std::string& text) {
    BULKHEAD_TRY_VALUE(document, Json::parse(text));
    std::string wrong;
    const JsonReader json(document, wrong);
    if (json.number<int>("format") != kFormatVersion && wrong.empty())
        return fail(Error(EINVAL, "written by another version of bulkhead"));
    KeptBudgets kept;
    const JsonReader budgets = json.object("budgets");
    for (const std::string& kind : budgets.keys()) {
        const JsonReader one = budgets.object(kind);
        KeptBudget& budget = kept[kind];
        budget.period_ns = one.number<std::uint64_t>("period_ns");
        budget.period_began_unix_ns = one.number<std::uint64_t>("period_began_unix_ns");
        budget.used.used = one.number<std::uint64_t>("used");
        budget.used.exceeded = one.number<std::uint64_t>("exceeded");
        budget.used.refused = one.number<std::uint64_t>("refused");
        budget.used.is_warned = one.truth("is_warned");
        budget.used.is_exceeded = one.truth("is_exceeded");
    }
    if (!wrong.empty())
        return fail(Error(0, wrong));
    return kept;
}

Status keep_budgets(const loader::Environments& environments, bh_label label) {
    const bh_environment* record = environments.record(label);
    if (record == nullptr || (record->flags & BH_ENV_BUDGETED) == 0)
        return {};
    BULKHEAD_TRY_VALUE(row, loader::read_budgets(label));
    if (!row)
        return {};
    BULKHEAD_TRY(make_directories());
    return write_whole(path_of(record->name),
                       to_json(kept_of(*row, boot_time_ns(), unix_now_ns())));
}

Result<std::optional<loader::CarriedOver>> carried_over(const std::string& name,
                                                        bh_budget_kind kind,
                                                        std::uint64_t period_ns) {
    using Carried = std::optional<loader::CarriedOver>;
    BULKHEAD_TRY_VALUE(text, read_text(path_of(name)));
    if (text.empty())
        return Carried{};
    const auto kept = kept_from_json(text);
    if (!kept)
        return fail(Error(kept.error())
                        .within("read " + path_of(name))
                        .advise("remove the file: the environment begins with nothing used"));
    const auto found = kept->find(loader::budget_name(kind));
    if (found == kept->end() || found->second.period_ns != period_ns)
        return Carried{};
    return Carried(carried_from(found->second, boot_time_ns(), unix_now_ns()));
}

}  // namespace bulkhead::runtime
