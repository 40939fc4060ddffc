#include "bench/bundle.h"

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "bench/process.h"
#include "bench/stage.h"

namespace bulkhead::bench {
namespace {

using nlohmann::json;

void add_limits(json& linux_part, const std::string& cgroup) {
    linux_part["cgroupsPath"] = "/bench/" + cgroup;
    json& resources = linux_part["resources"];
    resources["memory"] = {{"limit", 256 << 20}};
    resources["cpu"] = {{"quota", 100'000}, {"period", 100'000}};
    resources["pids"] = {{"limit", 512}};
}

void add_namespaces(json& linux_part) {
    const json ids = {{{"containerID", 0}, {"hostID", 0x10000000}, {"size", 65536}}};
    json& namespaces = linux_part["namespaces"] = json::array();
    for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup", "user"})
        namespaces.push_back({{"type", type}});
    linux_part["uidMappings"] = ids;
    linux_part["gidMappings"] = ids;
}

void adapt(json& config, const std::string& cgroup, Isolation isolation) {
    config["root"] = {{"path", kRootfs}, {"readonly", false}};
    config["process"]["terminal"] = false;
    config["process"]["args"] = {"/bin/true"};
    config["mounts"].push_back({{"destination", "/tmp"},
                                {"type", "tmpfs"},
                                {"source", "tmpfs"},
                                {"options", {"nosuid", "nodev", "mode=1777"}}});
    json& linux_part = config["linux"];
    add_namespaces(linux_part);
    add_limits(linux_part, cgroup);
    if (isolation == Isolation::kBare) {
        linux_part.erase("maskedPaths");
        linux_part.erase("readonlyPaths");
        linux_part["resources"].erase("devices");
    }
}

}  // namespace

Status write_bundle(const std::string& dir, const std::string& cgroup, Isolation isolation) {
    std::filesystem::create_directories(dir);
    const std::string path = dir + "/config.json";
    std::filesystem::remove(path);  // of an earlier measure
    BULKHEAD_TRY(run({"/usr/bin/crun", "spec", "--bundle", dir}));
    try {
        json config = json::parse(std::ifstream(path));
        adapt(config, cgroup, isolation);
        std::ofstream file(path);
        file << config.dump(1);
        file.flush();
        if (!file)
            return fail_errno("write " + path);
    } catch (const json::exception& error) {
        return fail(Error(0, path + ": " + error.what()));
    }
    return {};
}

}  // namespace bulkhead::bench
