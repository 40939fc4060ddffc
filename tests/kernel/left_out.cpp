#include "tests/kernel/left_out.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string_view>

#include "loader/adoption.h"
#include "loader/environments.h"
#include "loader/guard.h"
#include "loader/held_links.h"
#include "loader/on_demand.h"
#include "loader/pins.h"
#include "loader/programs.h"
#include "runtime/cgroup.h"
#include "tests/kernel/keeper.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr unsigned kSecondsForCases = 120;
constexpr unsigned kSecondsForAll = 900;
constexpr unsigned kMillisecondsToDetach = 10'000;

// Links whose last reference is a pin are detached by a worker of the kernel, some time after the
// pin is gone. Held by descriptors alone, they are detached when close() returns.
class Attached {
public:
    static Result<Attached> load() {
        BULKHEAD_TRY_VALUE(outcome, loader::load());
        if (outcome != loader::LoadOutcome::kLoaded)
            return fail(Error(EBUSY, "programs of an earlier run are in the kernel")
                            .advise("bulkhead unload"));
        Attached attached;
        BULKHEAD_TRY(attached.take_over_links());
        BULKHEAD_TRY(keep_programs());
        return attached;
    }

    [[nodiscard]] bool has(const std::string& program) const {
        return links_.contains(program) ||
               ::access(loader::program_pin(program).c_str(), F_OK) == 0;
    }

    Status take_out(const std::string& program) {
        if (const auto link = links_.find(program); link != links_.end()) {
            link->second.link.reset();
            return {};
        }
        // Attached by whoever needs it, from its pin.
        if (auto kept = loader::hold_link(loader::link_pin(program))) {
            std::filesystem::remove(loader::link_pin(program));
            std::vector<loader::HeldLink> links;
            links.push_back(std::move(*kept));
            BULKHEAD_TRY(loader::drop(std::move(links)));
        }
        BULKHEAD_TRY_VALUE(held, loader::open_pinned(loader::program_pin(program)));
        unpinned_ = std::move(held);
        if (::unlink(loader::program_pin(program).c_str()) != 0)
            return fail_errno("unpin " + program);
        // An iterator's file is made of its program when it is missing.
        (void)::unlink((std::string(loader::kPinRoot) + "/beancounters").c_str());
        return {};
    }

    Status put_back(const std::string& program) {
        if (const auto link = links_.find(program); link != links_.end())
            return link->second.attach(program);
        if (bpf_obj_pin(unpinned_.get(), loader::program_pin(program).c_str()) != 0)
            return fail_errno("pin " + program);
        unpinned_.reset();
        return loader::is_on_demand(program) ? loader::attach_pinned(program) : Status{};
    }

private:
    struct Program {
        UniqueFd program;
        UniqueFd link;

        // EBUSY or EEXIST: the kernel is still detaching it.
        Status attach(const std::string& name) {
            for (unsigned waited = 0; !link; ++waited) {
                link = UniqueFd(bpf_raw_tracepoint_open(nullptr, program.get()));
                if (!link &&
                    ((errno != EBUSY && errno != EEXIST) || waited > kMillisecondsToDetach))
                    return fail_errno("attach " + name);
                if (!link)
                    ::usleep(1000);
            }
            return {};
        }
    };

    Status take_over_links() {
        const std::filesystem::path pins = std::filesystem::path(loader::kPinRoot) / "links";
        for (const auto& pin : std::filesystem::directory_iterator(pins)) {
            BULKHEAD_TRY_VALUE(link, loader::open_pinned(pin.path().string()));
            bpf_link_info info{};
            __u32 bytes = sizeof info;
            if (bpf_obj_get_info_by_fd(link.get(), &info, &bytes) != 0)
                return fail_errno("ask for the link " + pin.path().string());
            UniqueFd program(bpf_prog_get_fd_by_id(info.prog_id));
            if (!program)
                return fail_errno("open the program of " + pin.path().string());
            links_[pin.path().filename()].program = std::move(program);
        }
        for (auto& [name, program] : links_)
            std::filesystem::remove(pins / name);
        for (auto& [name, program] : links_)
            BULKHEAD_TRY(program.attach(name));
        return {};
    }

    std::map<std::string, Program> links_;
    UniqueFd unpinned_;
};

std::string& left_out_now() {
    static std::string program;
    return program;
}

// Attached by its cases alone.
bool is_of_guard(const std::string& program) {
    const auto names = loader::guard_program_names();
    return std::find(names.begin(), names.end(), program) != names.end();
}

std::string filter_of(const std::vector<std::string>& cases) {
    std::string filter;
    for (const std::string& test_case : cases)
        filter += (filter.empty() ? "" : ":") + test_case;
    return filter;
}

std::string result_of(const std::string& directory, const std::string& run) {
    return std::filesystem::path(directory) / run;
}

std::string failed_path(const std::string& result) {
    return result + ".failed";
}

// Those of the run that has ended, a line each.
void write_failed_cases(const std::string& path) {
    std::ofstream names(path);
    const testing::UnitTest& run = *testing::UnitTest::GetInstance();
    for (int suite = 0; suite < run.total_test_suite_count(); ++suite) {
        const testing::TestSuite& cases = *run.GetTestSuite(suite);
        for (int index = 0; index < cases.total_test_count(); ++index)
            if (const testing::TestInfo& one = *cases.GetTestInfo(index); one.result()->Failed())
                names << cases.name() << '.' << one.name() << '\n';
    }
}

std::vector<std::string> read_lines(const std::string& path) {
    std::vector<std::string> lines;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

enum class Until { kOneFails, kTheEnd };

// Their exit status as a shell has it. What they left running ends with them.
int run_cases(const std::string& filter, Until until, const std::string& result, unsigned seconds) {
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setpgid(0, 0);
        ::alarm(seconds);
        const int output =
            ::open((result + ".output").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
        testing::GTEST_FLAG(filter) = filter;
        testing::GTEST_FLAG(color) = "no";
        testing::GTEST_FLAG(fail_fast) = until == Until::kOneFails;
        const int status = RUN_ALL_TESTS();
        write_failed_cases(failed_path(result));
        std::fflush(nullptr);
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    ::kill(-pid, SIGKILL);
    const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    std::ofstream(result + ".status") << code << '\n';
    return code;
}

// Objects that nobody took off the books while a program was out must not count against the next.
Status forget_objects() {
    const auto owners = loader::open_pinned_map<__u64, bh_label>("bh_objects");
    if (!owners)
        return fail(Error(owners.error()));
    std::vector<__u64> objects;
    BULKHEAD_TRY(owners->for_each_key([&](__u64 object) { objects.push_back(object); }));
    return owners->erase_all(objects);
}

// What a case expected to be refused to make.
void remove_cgroups() {
    std::error_code ended;
    for (const auto& child :
         std::filesystem::directory_iterator(runtime::kEnvironmentsCgroup, ended))
        if (child.is_directory(ended))
            (void)runtime::Cgroup::remove(child.path().filename().string());
}

// Of what could not be undone: without the program that labels tasks none is taken off them again.
Status withdraw_records() {
    BULKHEAD_TRY_VALUE(environments, loader::Environments::open());
    std::vector<bh_label> left;
    environments.for_each([&](bh_label label, const bh_environment& record) {
        if (std::string_view(record.name) != kKeeper)
            left.push_back(label);
    });
    for (const bh_label& label : left)
        BULKHEAD_TRY(environments.withdraw(label));
    return loader::settle_adoption(environments);
}

Status leave_out(const std::string& program, Attached& attached, const std::string& directory) {
    const bool of_guard = is_of_guard(program);
    if (cases_for(program).empty() || (!of_guard && !attached.has(program)))
        return {};
    if (of_guard)
        left_out_now() = program;
    else
        BULKHEAD_TRY(attached.take_out(program));
    const int status = run_cases(filter_of(cases_for(program)), Until::kOneFails,
                                 result_of(directory, program), kSecondsForCases);
    std::printf("without %s: exit status %d\n", program.c_str(), status);
    std::fflush(stdout);
    if (of_guard)
        left_out_now().clear();
    else
        BULKHEAD_TRY(attached.put_back(program));
    remove_cgroups();
    BULKHEAD_TRY(withdraw_records());
    return forget_objects();
}

// Those that failed are green after all that: each was red for the program that was out.
void run_failed_with_all(const std::vector<std::string>& programs, const std::string& directory) {
    std::set<std::string> failed;
    for (const std::string& program : programs)
        for (const std::string& test_case : read_lines(failed_path(result_of(directory, program))))
            failed.insert(test_case);
    const int status = run_cases(filter_of({failed.begin(), failed.end()}), Until::kTheEnd,
                                 result_of(directory, "all"), kSecondsForAll);
    std::printf("with all: exit status %d\n", status);
}

}  // namespace

const std::string& program_left_out() {
    return left_out_now();
}

Status leave_out_each(const std::vector<std::string>& programs, const std::string& directory) {
    BULKHEAD_TRY_VALUE(attached, Attached::load());
    for (const std::string& program : programs)
        BULKHEAD_TRY(leave_out(program, attached, directory));
    run_failed_with_all(programs, directory);
    attached = Attached();
    std::filesystem::remove_all(std::filesystem::path(loader::kPinRoot));
    return {};
}

}  // namespace bulkhead::tests
