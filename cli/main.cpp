// bulkhead: environments on one kernel, for people. Parses, calls one command, prints one message.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "cli/command.h"

namespace bulkhead::cli {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitOwnFailure = 125;

int exit_code(Fault fault, ExitCodes codes) {
    if (codes == ExitCodes::kPayload)
        return kExitOwnFailure;
    switch (fault) {
        case Fault::kUsage:
            return kExitUsage;
        case Fault::kUnsupported:
            return 3;
        case Fault::kFailed:
            break;
    }
    return 1;
}

// Splits the command line at the first "--".
Payload split_payload(int& argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--") != 0)
            continue;
        Payload payload(argv + i + 1, argv + argc);
        argc = i;
        return payload;
    }
    return {};
}

const Command* find_command(int argc, char** argv) {
    if (argc < 2)
        return nullptr;
    for (const Command& command : commands()) {
        if (command.name == argv[1])
            return &command;
    }
    return nullptr;
}

// Everything that had to be undone is: the memory of parser and libraries goes with the process,
// in a tenth of the time that destructors would take.
[[noreturn]] void end(int code) {
    std::fflush(nullptr);
    ::_exit(code);
}

// A process that ends soon does not give memory back: a page costs more than what is written to it.
void keep_freed_memory() {
    constexpr int kMost = 32 << 20;  // that M_MMAP_THRESHOLD can be
    ::mallopt(M_MMAP_THRESHOLD, kMost);
    ::mallopt(M_TRIM_THRESHOLD, 2 * kMost);
}

// Options are declared for the one command that was asked for: declaring all of them would cost
// more than starting an environment's first process.
int run_command(const Command& command, int argc, char** argv, const Payload& payload) {
    OptionSet set(std::string(command.summary), "bulkhead " + std::string(command.name));
    const std::span<char* const> words(argv + 2, argv + argc);
    const Action action =
        command.declare_for == nullptr ? command.declare(set) : command.declare_for(set, words);
    const auto parsed = set.parse(argc - 1, argv + 1);
    if (!parsed) {
        std::fprintf(stderr, "bulkhead %s: %s\n  bulkhead %s --help lists the options\n",
                     std::string(command.name).c_str(), parsed.error().message().c_str(),
                     std::string(command.name).c_str());
        return exit_code(Fault::kUsage, command.exit_codes);
    }
    if (*parsed == OptionSet::Parsed::kAnswered)
        return 0;
    const Result<int> done = action(payload);
    if (done)
        end(*done);
    std::fprintf(stderr, "bulkhead %s: %s\n", std::string(command.name).c_str(),
                 done.error().message().c_str());
    end(exit_code(done.error().fault(), command.exit_codes));
}

int overview(int argc, char** argv) {
    OptionSet set("Many isolated environments on one kernel, fenced and metered inside it",
                  "bulkhead");
    set.set_version(BULKHEAD_VERSION);
    for (const Command& command : commands())
        set.add_command(std::string(command.name), std::string(command.summary));
    if (const auto parsed = set.parse(argc, argv); parsed)
        return 0;
    std::fprintf(stderr, "bulkhead: %s\n  bulkhead --help lists the commands\n",
                 argc > 1 ? (std::string("no command is named ") + argv[1]).c_str()
                          : "a command is missing");
    return kExitUsage;
}

int main(int argc, char** argv) {
    keep_freed_memory();
    const Payload payload = split_payload(argc, argv);
    const Command* command = find_command(argc, argv);
    return command != nullptr ? run_command(*command, argc, argv, payload) : overview(argc, argv);
}

}  // namespace
}  // namespace bulkhead::cli

int main(int argc, char** argv) {
    try {
        return bulkhead::cli::main(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bulkhead: %s\n", error.what());
        return 1;
    }
}
