// What real programs used, as `usage` has it, against the kernel's own numbers.
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>

#include "tests/e2e/bulkhead.h"
#include "tests/e2e/inside.h"

namespace bulkhead::tests {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMebibyte = 1 << 20;
const Arguments kIdle = {"/bin/sleep", "6000"};

std::string text_of(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string cgroup_text(const std::string& file) {
    std::string text = text_of("/sys/fs/cgroup/bulkhead/box/" + file);
    EXPECT_FALSE(text.empty()) << file << " is empty or missing";
    return text;
}

// The first word after `key`, or the whole file's number where that is empty; `otherwise` where the
// kernel has no such key.
std::uint64_t cgroup_number(const std::string& file, const std::string& key = "",
                            std::uint64_t otherwise = 0) {
    std::istringstream text(cgroup_text(file));
    std::uint64_t number = otherwise;
    for (std::string word; !key.empty() && text >> word && word != key;)
        continue;
    return text >> number ? number : otherwise;
}

Json used() {
    return bulkhead_json({"usage", "box"});
}

// What the kernel says, and `usage` of that moment: the kernel says the same before and after.
template <typename Look>
std::pair<decltype(std::declval<Look>()()), Json> when_quiet(Look look) {
    for (int tries = 0; tries < 200; ++tries) {
        const auto kernel = look();
        Json usage = used();
        if (look() == kernel)
            return {kernel, std::move(usage)};
    }
    ADD_FAILURE() << "it was never quiet";
    return {look(), used()};
}

// Within 0.1 % or a millisecond.
void expect_cpu(const Json& meter_ns, std::uint64_t kernel_us, const char* what) {
    const std::uint64_t meter_us = meter_ns.get<std::uint64_t>() / 1000;
    const std::uint64_t apart = std::max(meter_us, kernel_us) - std::min(meter_us, kernel_us);
    std::printf("%s: the meter says %lu us, the kernel %lu\n", what, meter_us, kernel_us);
    EXPECT_LE(apart, std::max<std::uint64_t>(kernel_us / 1000, 1000)) << what;
}

// Each runs the next, and no shell between them.
const std::string kCompile =
    "printf 'int puts(const char*); int main(void) { return puts(\"made\") < 0; }' > /tmp/m.c; "
    "gcc -O2 -o /tmp/m /tmp/m.c; ";
constexpr unsigned kExecsOfCompile = 5;  // gcc, cc1, as, collect2, ld

TEST(Accuracy, CpuTimeIsThatOfCpuStat) {
    const NothingLeft nothing_left;
    const Detached box("box", kIdle);
    done("stress-ng --quiet --cpu 2 --cpu-method int64 --cpu-ops 40");
    done("nice -n 10 stress-ng --quiet --cpu 1 --cpu-method int64 --cpu-ops 40");
    done(kCompile);
    const auto [total_us, usage] =
        when_quiet([] { return cgroup_number("cpu.stat", "usage_usec"); });
    const Json& cpu = usage["cpu"];
    EXPECT_GT(total_us, 200'000U) << "it was no load";
    expect_cpu(cpu["total_ns"], total_us, "total");
    expect_cpu(cpu["user_ns"], cgroup_number("cpu.stat", "user_usec"), "user");
    expect_cpu(cpu["system_ns"], cgroup_number("cpu.stat", "system_usec"), "system");
    expect_cpu(cpu["nice_ns"], cgroup_number("cpu.stat", "nice_usec"), "nice");
    const bool keeps_nice = cgroup_text("cpu.stat").find("nice_usec") != std::string::npos;
    EXPECT_EQ(cpu["nice_ns"] > 10'000'000, keeps_nice) << "it was no niced load";
}

// The kernel numbers the tasks of a PID namespace in turn: the last number is in its /proc/loadavg.
TEST(Accuracy, ForksAndExecsAreThoseThatWere) {
    const NothingLeft nothing_left;
    const Detached box("box", kIdle);
    const auto tasks_of = [](const char* what, const std::string& script, unsigned execs) {
        const Json before = used()["tasks"];
        std::istringstream numbers(done("read -r _ _ _ _ first < /proc/loadavg; " + script +
                                        "read -r _ _ _ _ last < /proc/loadavg; "
                                        "echo $first $last"));
        const Json after = used()["tasks"];
        unsigned first = 0, last = 0;
        numbers >> first >> last;
        std::printf("%s: %u tasks\n", what, last - first);
        EXPECT_GT(last, first) << what;
        EXPECT_EQ(after["forks"].get<unsigned>() - before["forks"].get<unsigned>(), last - first)
            << what;
        EXPECT_EQ(after["execs"].get<unsigned>() - before["execs"].get<unsigned>(), execs) << what;
    };
    // The shell is one more.
    tasks_of("a compile", kCompile, 1 + kExecsOfCompile);
    tasks_of("programs", "for i in 1 2 3 4 5 6 7 8; do /bin/true; done; ", 1 + 8);
    tasks_of("forks", "stress-ng --quiet --fork 2 --fork-ops 40; ", 1 + 1);
    tasks_of("threads", "stress-ng --quiet --pthread 1 --pthread-ops 20; ", 1 + 1);
}

// All of net/dev inside: bytes and packets, received and sent.
std::array<std::uint64_t, 4> interfaces() {
    std::istringstream file(done("cat /proc/net/dev"));
    std::array<std::uint64_t, 4> all{};
    for (std::string line; std::getline(file, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos)
            continue;
        std::istringstream numbers(line.substr(colon + 1));
        std::array<std::uint64_t, 16> column{};
        for (std::uint64_t& number : column)
            numbers >> number;
        all = {all[0] + column[0], all[1] + column[1], all[2] + column[8], all[3] + column[9]};
    }
    return all;
}

TEST(Accuracy, NetworkIsThatOfTheInterfaces) {
    const NothingLeft nothing_left;
    const Detached box("box", kIdle);
    constexpr std::uint64_t kSent = 2 * kMebibyte;
    // What is in the buffer at the end may be thrown away: a small one.
    const std::string send =
        " -w 64K -n " + std::to_string(kSent) + " > /tmp/report; do sleep 0.1; done";
    for (const std::string how : {"127.0.0.1", "::1", "127.0.0.1 -u -b 0 -l 8000"}) {
        std::string script = "iperf3 -s -1 -D && until iperf3 -c ";
        done(script.append(how).append(send));
    }
    const auto [counts, usage] = when_quiet(interfaces);
    const Json& network = usage["network"];
    EXPECT_EQ(network["received_bytes"], counts[0]);
    EXPECT_EQ(network["received_packets"], counts[1]);
    EXPECT_EQ(network["sent_bytes"], counts[2]);
    EXPECT_EQ(network["sent_packets"], counts[3]);
    EXPECT_GT(network["ipv4"]["sent_bytes"], kSent) << "by TCP and by UDP";
    EXPECT_GT(network["ipv6"]["sent_bytes"], kSent / 2);
    EXPECT_GE(network["connects_ipv4"], 2) << "a control connection and one of data";
    EXPECT_GE(network["connects_ipv6"], 2);
}

// A disk of memory, which is gone with the object.
class RamDisk {
public:
    RamDisk() { EXPECT_EQ(std::system("modprobe brd rd_nr=1 rd_size=65536"), 0); }
    RamDisk(const RamDisk&) = delete;
    RamDisk& operator=(const RamDisk&) = delete;
    ~RamDisk() { EXPECT_EQ(std::system("rmmod brd"), 0); }
};

class Mounted {
public:
    Mounted() {
        EXPECT_EQ(std::system("mkfs.ext4 -q /dev/ram0"), 0);
        ::mkdir("/run/accuracy", 0700);
        EXPECT_EQ(::mount("/dev/ram0", "/run/accuracy", "ext4", 0, nullptr), 0);
        ::chmod("/run/accuracy", 0777);
    }
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;
    ~Mounted() {
        EXPECT_EQ(::umount("/run/accuracy"), 0);
        ::rmdir("/run/accuracy");
    }
};

// Of all devices: bytes and operations, read and written.
std::array<std::uint64_t, 4> io_stat() {
    constexpr std::array kKeys = {"rbytes=", "rios=", "wbytes=", "wios="};
    std::array<std::uint64_t, 4> all{};
    std::istringstream words(cgroup_text("io.stat"));
    for (std::string word; words >> word;)
        for (std::size_t i = 0; i < kKeys.size(); ++i)
            if (word.starts_with(kKeys[i]))
                all[i] += std::stoull(word.substr(std::string(kKeys[i]).size()));
    return all;
}

TEST(Accuracy, BlockIoIsThatOfIoStat) {
    const RamDisk disk;
    const Mounted files;
    const NothingLeft nothing_left;
    const Detached box("box", kIdle, {"--mount", "/run/accuracy:/disk"});
    done(
        "dd if=/dev/zero of=/disk/direct bs=64k count=32 oflag=direct status=none && "
        "dd if=/disk/direct of=/dev/null bs=16k iflag=direct status=none && "
        "dd if=/dev/zero of=/disk/cached bs=64k count=32 conv=fsync status=none");
    const auto [counts, usage] = when_quiet(io_stat);
    EXPECT_EQ(usage["io"]["read_bytes"], counts[0]);
    EXPECT_EQ(usage["io"]["read_operations"], counts[1]);
    EXPECT_EQ(usage["io"]["written_bytes"], counts[2]);
    EXPECT_EQ(usage["io"]["write_operations"], counts[3]);
    EXPECT_GE(counts[0], 2 * kMebibyte);
    EXPECT_GE(counts[1], 128U) << "16 KiB each";
    EXPECT_GE(counts[2], 4 * kMebibyte);
    EXPECT_GE(counts[3], 32U);
}

class Swap {
public:
    Swap() {
        EXPECT_EQ(std::system("mkswap /dev/ram0 >/dev/null"), 0);
        EXPECT_EQ(::swapon("/dev/ram0", 0), 0);
    }
    Swap(const Swap&) = delete;
    Swap& operator=(const Swap&) = delete;
    ~Swap() { EXPECT_EQ(::swapoff("/dev/ram0"), 0); }
};

constexpr std::array kKinds = {"anon", "file", "shmem", "kernel", "slab", "sock"};

// Holds memory for as long as it lives.
Arguments holder(std::uint64_t bytes) {
    return {"exec",        "box",        "--",
            "stress-ng",   "--quiet",    "--vm",
            "1",           "--vm-bytes", std::to_string(bytes),
            "--vm-hang",   "0",          "--vm-keep",
            "--vm-method", "write64"};
}

TEST(Accuracy, MemoryAndSwapAreThoseOfTheCgroupWhenQuiet) {
    const RamDisk disk;
    const Swap swap;
    const NothingLeft nothing_left;
    const Detached box("box", kIdle, {"--memory", "24M", "--swap", "64M"});
    const Running holding(holder(40 * kMebibyte));
    ASSERT_TRUE(
        eventually([] { return cgroup_number("memory.swap.current") > 12 * kMebibyte; }, 60));
    // The kernel folds what each CPU counted together when it likes: until both are the same.
    Json memory;
    const auto is_same = [&] {
        const auto [kernel, usage] = when_quiet([] {
            return std::array{cgroup_number("memory.current"), cgroup_number("memory.swap.current"),
                              cgroup_number("memory.stat", "pgfault")};
        });
        memory = usage["memory"];
        return memory["current_bytes"] == kernel[0] && memory["swap_bytes"] == kernel[1] &&
               memory["faults"] == kernel[2] &&
               std::all_of(kKinds.begin(), kKinds.end(), [&](const char* kind) {
                   return memory[std::string(kind) + "_bytes"] ==
                          cgroup_number("memory.stat", kind);
               });
    };
    EXPECT_TRUE(eventually(is_same, 30)) << memory << cgroup_text("memory.stat");
    EXPECT_GT(memory["swap_bytes"], 12 * kMebibyte);
    EXPECT_GT(memory["anon_bytes"], 8 * kMebibyte);
    EXPECT_GT(memory["reclaimed_bytes"], 12 * kMebibyte);
    EXPECT_EQ(memory["peak_bytes"], cgroup_number("memory.peak"));
    for (const Json& counter : bulkhead_json({"beancounters", "box"}))
        if (counter["name"] == "swappages") {
            EXPECT_EQ(counter["held"].get<std::uint64_t>() * 4096, memory["swap_bytes"]);
        }
}

double now_s() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// `usage`'s memory over time, and when it was: in the middle of the command.
struct OverTime {
    double at_s;
    double byte_seconds;
};

OverTime over_time() {
    const double before_s = now_s();
    const auto byte_seconds = used()["memory"]["byte_seconds"].get<double>();
    return {(before_s + now_s()) / 2, byte_seconds};
}

// What comes and goes within a step of the kernel's clock may be off by that step
// (docs/metrics.md): in small ones.
const std::string kGrowAndShrink =
    "import time\n"
    "held = []\n"
    "for _ in range(24): held.append(bytearray(b'x' * (2 << 20))); time.sleep(0.02)\n"
    "time.sleep(2)\n"
    "while held: held.pop(); time.sleep(0.02)\n";

TEST(Accuracy, MemoryOverTimeIsThatOfASampler) {
    const NothingLeft nothing_left;
    const Detached box("box", kIdle);
    done("python3 -c 'import time'");  // its files stay in memory
    const OverTime begin = over_time();
    const auto least = static_cast<double>(cgroup_number("memory.current"));
    double at_s = begin.at_s, bytes = least, most = least, sampled = 0;
    {
        const Running load({"exec", "box", "--", "python3", "-c", kGrowAndShrink});
        const auto is_over = [&] { return most > least + 40e6 && bytes < least + 4e6; };
        while (!is_over() && now_s() < begin.at_s + 60) {
            ::usleep(5'000);
            const auto seen = static_cast<double>(cgroup_number("memory.current"));
            const double seen_s = now_s();
            sampled += (bytes + seen) / 2 * (seen_s - at_s);
            bytes = seen;
            at_s = seen_s;
            most = std::max(most, bytes);
        }
    }
    const OverTime end = over_time();
    sampled += bytes * (end.at_s - at_s);
    const double metered = end.byte_seconds - begin.byte_seconds;
    std::printf("the meter says %.0f byte-seconds, the sampler %.0f\n", metered, sampled);
    EXPECT_GT(sampled, 80e6);
    EXPECT_NEAR(metered, sampled, sampled / 100);
}

// The machine's calendar, for as long as the object lives; it goes back by what it was moved.
class ClockSet {
public:
    explicit ClockSet(time_t by_s) : by_s_(by_s) { move(by_s); }
    ClockSet(const ClockSet&) = delete;
    ClockSet& operator=(const ClockSet&) = delete;
    ~ClockSet() { move(-by_s_); }

private:
    static void move(time_t by_s) {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        now.tv_sec += by_s;
        EXPECT_EQ(::clock_settime(CLOCK_REALTIME, &now), 0);
    }

    time_t by_s_;
};

TEST(Accuracy, CountsGoOnWhereverTheClockIsSet) {
    constexpr time_t kDay = 86'400;
    const NothingLeft nothing_left;
    const Detached box("box", kIdle);
    const OverTime begin = over_time();
    Json before = used();
    for (const time_t by_s : {kDay, -2 * kDay}) {
        const ClockSet clock(by_s);
        done("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done");
        const auto [total_us, now] =
            when_quiet([] { return cgroup_number("cpu.stat", "usage_usec"); });
        expect_cpu(now["cpu"]["total_ns"], total_us, "total");
        for (const char* path : {"/cpu/total_ns", "/cpu/run_queue_delay_ns", "/memory/byte_seconds",
                                 "/memory/faults", "/tasks/execs", "/pressure/cpu/some_ns"}) {
            const Json::json_pointer at(path);
            EXPECT_GE(now[at], before[at]) << path << " went back";
        }
        EXPECT_LT(now["cpu"]["run_queue_delay_ns"], 3'600'000'000'000) << "no day was waited";
        before = now;
    }
    const OverTime end = over_time();
    const double most = (end.at_s - begin.at_s + 2) * before["memory"]["peak_bytes"].get<double>();
    EXPECT_LT(end.byte_seconds - begin.byte_seconds, most) << "a day was counted";
}

}  // namespace
}  // namespace bulkhead::tests
