// What was done while a policy learned, as the environment itself names it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bpf/wire.h"
#include "runtime/policy/address.h"

namespace bulkhead::policy {

enum class FileAct : std::uint8_t {
    kUsed,   // opened, mapped, executed, its attributes changed
    kNamed,  // made, removed, linked or given another name: an act on its directory as well
};

struct SeenFile {
    std::string path;          // "/" is the root
    std::uint32_t rights = 0;  // bh_right
    FileAct act = FileAct::kUsed;
    bool is_directory = false;
    bool has_other_names = false;  // hard links: no rule can name it
    std::uint64_t count = 1;
};

// A new name, or a link: both places need the same rights.
struct SeenMove {
    std::string from;
    std::string to;
    bool is_directory = false;
};

struct SeenAddress {
    Prefix address;
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::uint64_t count = 1;
};

// Port 0: one that the kernel chose for a listener.
struct SeenPort {
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
};

struct SeenClass {
    std::uint64_t count = 0;
    std::string example;  // the first object, for people; may be empty
};

// Of file systems that were mounted meanwhile: no rule names what lies there.
struct SeenMounted {
    std::uint32_t rights = 0;  // bh_right, of all files together
    SeenClass files;
    std::vector<std::string> points;  // where, as far as that is told
};

struct Observations {
    std::vector<SeenFile> files;
    std::vector<SeenMove> moves;
    std::vector<SeenAddress> addresses;
    std::vector<SeenPort> ports;
    std::set<unsigned> capabilities;
    std::map<std::string, SeenClass> devices;      // that were opened, by path below /dev
    std::map<std::string, std::uint64_t> sysctls;  // that a list can name, and how often
    SeenClass own_cgroups;                         // made and filled below the environment's
    SeenMounted mounted;
    std::map<bh_class, SeenClass> classes;  // but those that the members above are about
    std::vector<std::string> root;          // what lies in the root directory
    // What no rule can allow, for people: a file without a path, a frame.
    std::map<bh_class, SeenClass> nameless;
    std::uint64_t lost = 0;  // acts that could not be kept
};

}  // namespace bulkhead::policy
