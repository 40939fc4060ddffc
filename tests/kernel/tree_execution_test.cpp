// Lists of programs: what lies elsewhere is neither executed nor mapped as code; and rules on an
// overlay, whose files change place beneath it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "tests/kernel/proofs.h"
#include "tests/kernel/tree_fixtures.h"

namespace bulkhead::tests {
namespace {

constexpr std::size_t kPage = 4096;
constexpr const char* kProgram = "/bin/true";
constexpr int kKilled = 254;
constexpr Expected kExecuted{BH_HOOK_file_open, BH_CLASS_EXECUTION, EPERM};
constexpr Expected kMapped{BH_HOOK_mmap_file, BH_CLASS_EXECUTION, EPERM};
constexpr Expected kChanged{BH_HOOK_file_mprotect, BH_CLASS_EXECUTION, EPERM};

// The errno of executing a path or, when it is empty, a descriptor; 0: the program did its work.
int execute(const std::string& path, int fd = AT_FDCWD) {
    const pid_t child = ::fork();
    if (child == 0) {
        char name[] = "true";
        char* const arguments[] = {name, nullptr};
        ::execveat(fd, path.c_str(), arguments, environ, path.empty() ? AT_EMPTY_PATH : 0);
        ::_exit(errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kKilled;
}

int map_code(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return ::mmap(nullptr, kPage, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd.get(), 0) == MAP_FAILED
               ? errno
               : 0;
}

int make_code(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    void* memory = ::mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    return outcome(::mprotect(memory, kPage, PROT_READ | PROT_EXEC));
}

// Programs run from /bin of it, and from all other file systems.
class Programs {
public:
    Programs() {
        for (const char* name : {"bin", "data"}) {
            place_.make_directory(name);
            std::filesystem::copy_file(kProgram, place_.at(std::string(name) + "/program"));
        }
    }
    [[nodiscard]] const Tmpfs& files() const { return place_; }
    [[nodiscard]] std::string at(const std::string& name) const { return place_.at(name); }
    [[nodiscard]] static std::vector<TreeRule> rules() {
        return {{"", kReadWrite}, {"bin", kAllRights, 21}};
    }

private:
    Tmpfs place_;
};

class Listed : public Ruled {
public:
    explicit Listed(const Programs& programs)
        : Ruled(programs.files(), Programs::rules(), {BH_CLASS_EXECUTION}) {}
};

FENCE_TEST(RefusesToExecuteWhatNoListHas, "bh_tree_open") {
    const Programs programs;
    Listed mine(programs);
    expect_refused(mine, kExecuted, [&] { return execute(programs.at("data/program")); });
    const bh_refusal row = mine.last_refusal_by(BH_HOOK_file_open);
    EXPECT_EQ(row.object[3], static_cast<__u64>(BH_RIGHT_EXECUTE));
    EXPECT_STREQ(row.text[0], "program");
    EXPECT_STREQ(row.text[1], "data");
    expect_refused(mine, kExecuted, [&] {
        const UniqueFd fd(::open(programs.at("data/program").c_str(), O_RDONLY | O_CLOEXEC));
        return execute("", fd.get());
    });
    // A script of a list whose interpreter lies elsewhere.
    const std::string script = programs.at("bin/script");
    {
        const UniqueFd fd(::open(script.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
        const std::string text = "#!" + programs.at("data/program") + "\n";
        ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    expect_refused(mine, kExecuted, [&] { return execute(script); });
    EXPECT_EQ(Actor::run(&mine, [&] { return execute(programs.at("bin/program")); }), 0);
}

FENCE_TEST(RefusesToExecuteMemoryWhereAListIs, "bh_tree_open") {
    const Programs programs;
    Listed mine(programs);
    expect_refused(mine, kExecuted, [] {
        const UniqueFd program(::open(kProgram, O_RDONLY | O_CLOEXEC));
        struct stat info {};
        ::fstat(program.get(), &info);
        const UniqueFd memory(::memfd_create("program", MFD_CLOEXEC));
        ::sendfile(memory.get(), program.get(), nullptr, static_cast<std::size_t>(info.st_size));
        return execute("", memory.get());
    });
    EXPECT_STREQ(mine.last_refusal_by(BH_HOOK_file_open).text[0], "memfd:program");
}

FENCE_TEST(RefusesToMapCodeThatNoListHas, "bh_mmap_code") {
    const Programs programs;
    Listed mine(programs);
    expect_refused(mine, kMapped, [&] { return map_code(programs.at("data/program")); });
    EXPECT_EQ(Actor::run(&mine, [&] { return map_code(programs.at("bin/program")); }), 0);
}

FENCE_TEST(RefusesToMakeCodeOfWhatNoListHas, "bh_mprot_code") {
    const Programs programs;
    Listed mine(programs);
    expect_refused(mine, kChanged, [&] { return make_code(programs.at("data/program")); });
    EXPECT_EQ(Actor::run(&mine, [&] { return make_code(programs.at("bin/program")); }), 0);
}

FENCE_TEST(RefusesToMoveAProgramIntoAList, "bh_tree_rename", "bh_tree_link") {
    const Programs programs;
    Listed mine(programs);
    const std::string from = programs.at("data/program");
    const std::string to = programs.at("bin/new");
    expect_refused(mine, {BH_HOOK_path_rename, BH_CLASS_EXECUTION, EXDEV, EXDEV}, [&] {
        const int error = outcome(::rename(from.c_str(), to.c_str()));
        return error != 0 ? error : outcome(::rename(to.c_str(), from.c_str()));
    });
    expect_refused(mine, {BH_HOOK_path_link, BH_CLASS_EXECUTION, EXDEV, EXDEV}, [&] {
        const int error = outcome(::link(from.c_str(), to.c_str()));
        ::unlink(to.c_str());
        return error;
    });
    EXPECT_FALSE(programs.files().has("bin/new"));
}

// A file that is copied up keeps its place in the overlay; what lies beneath is not asked about.
TEST(Fence, HoldsARuleOfAnOverlayThroughACopyUp) {
    const Tmpfs layers;
    for (const char* name : {"lower", "upper", "work", "merged"})
        layers.make_directory(name);
    fill_directory(layers, "lower/open");
    fill_directory(layers, "lower/seen");
    const std::string options = "lowerdir=" + layers.at("lower") +
                                ",upperdir=" + layers.at("upper") + ",workdir=" + layers.at("work");
    ASSERT_EQ(::mount("overlay", layers.at("merged").c_str(), "overlay", 0, options.c_str()), 0);
    {
        BareEnvironment mine("mine");
        mine.allow(BH_CLASS_FILES);
        mine.refuse(BH_CLASS_PATHS);
        put_trees(mine, generation_of(mine), device_of(layers.at("merged")),
                  {{"", kAllRights}, {"seen", kReadOnly, 31}, {"open/sub", 0, 32}});
        const auto at = [&](const char* name) { return layers.at(std::string("merged/") + name); };
        EXPECT_EQ(Actor::run(&mine,
                             [&] {
                                 return read_file(at("seen/file")) | read_file(at("open/file")) |
                                        write_file(at("open/file")) | read_file(at("open/file"));
                             }),
                  0);
        EXPECT_TRUE(layers.has("upper/open/file")) << "not copied up";
        EXPECT_EQ(Actor::run(&mine, [&] { return write_file(at("seen/file")); }), EPERM);
        EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 31U);
        EXPECT_EQ(
            Actor::run(&mine, [&] { return outcome(::chmod(at("seen/file").c_str(), 0600)); }),
            EPERM);
        EXPECT_EQ(Actor::run(&mine, [&] { return read_file(at("open/sub/deep")); }), EPERM);
        EXPECT_EQ(mine.last_refusal_by(BH_HOOK_file_open).rule, 32U);
        EXPECT_FALSE(layers.has("upper/seen/file"));
        // The host copies the file up; for the environment nothing changes.
        EXPECT_EQ(write_file(at("seen/file")), 0);
        EXPECT_EQ(Actor::run(&mine, [&] { return write_file(at("seen/file")); }), EPERM);
        mine.allow(BH_CLASS_PATHS);
        EXPECT_EQ(Actor::run(&mine, [&] { return write_file(at("seen/file")); }), 0);
    }
    EXPECT_EQ(::umount2(layers.at("merged").c_str(), 0), 0);
}

}  // namespace
}  // namespace bulkhead::tests
