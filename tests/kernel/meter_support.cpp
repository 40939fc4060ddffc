#include "tests/kernel/meter_support.h"

#include <fcntl.h>

#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>

#include "runtime/cgroup.h"

namespace bulkhead::tests {

loader::MeterReading read_meters(const BareEnvironment& environment) {
    auto meters = loader::Meters::open();
    if (!meters) {
        ADD_FAILURE() << meters.error().message();
        return {};
    }
    const UniqueFd parent(::open(std::string(runtime::kEnvironmentsCgroup).c_str(),
                                 O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    std::optional<loader::MeterReading> found;
    const auto read = meters->read(parent.get(), loader::Scope::kDescendants,
                                   [&](const loader::MeterView& reading) {
                                       if (reading.label.serial == environment.label().serial)
                                           found = reading.copy();
                                   });
    EXPECT_TRUE(read) << read.error().message();
    EXPECT_TRUE(found) << "the pass did not meet the environment";
    return found.value_or(loader::MeterReading{});
}

std::string cgroup_text(const BareEnvironment& environment, const std::string& file) {
    std::ifstream stream(environment.cgroup() + "/" + file);
    std::ostringstream text;
    text << stream.rdbuf();
    EXPECT_FALSE(text.str().empty()) << file << " is empty or missing";
    return text.str();
}

std::uint64_t cgroup_number(const BareEnvironment& environment, const std::string& file,
                            const std::string& key) {
    std::istringstream text(cgroup_text(environment, file));
    std::uint64_t number = 0;
    if (key.empty()) {
        EXPECT_TRUE(text >> number) << file;
        return number;
    }
    for (std::string found; text >> found;) {
        if (found == key && text >> number)
            return number;
        text.ignore(4096, '\n');
    }
    ADD_FAILURE() << key << " is not in " << file;
    return 0;
}

std::uint64_t io_number(const BareEnvironment& environment, const std::string& key) {
    std::istringstream text(cgroup_text(environment, "io.stat"));
    std::uint64_t sum = 0;
    for (std::string word; text >> word;)
        if (word.starts_with(key + "="))
            sum += std::stoull(word.substr(key.size() + 1));
    return sum;
}

void burn_cpu_ms(long milliseconds) {
    timespec used{};
    do {
        for (int i = 0; i < 10'000; ++i)
            asm volatile("" : : "r"(i));
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec * 1000 + used.tv_nsec / 1'000'000 < milliseconds);
}

}  // namespace bulkhead::tests
