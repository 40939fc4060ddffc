#include "bench/figures.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

namespace bulkhead::bench {
namespace {

Result<double> figure(const std::string& name, const Figures& figures) {
    const auto found = figures.find(name);
    if (found == figures.end())
        return fail(Error(0, name + " was not measured"));
    return static_cast<double>(found->second);
}

Gate read_gate(const std::string& name, const nlohmann::json& gate) {
    return {name,
            gate.at("figure"),
            gate.value("of", ""),
            gate.value("minus", ""),
            gate.at("limit"),
            gate.at("reason")};
}

}  // namespace

std::int64_t median(std::vector<std::int64_t> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

Result<Baseline> read_baseline(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        return fail_errno("open " + path);
    try {
        const auto json = nlohmann::json::parse(file);
        Baseline baseline;
        baseline.tolerance = json.at("tolerance");
        baseline.noise = json.at("noise");
        baseline.figures = json.at("figures").get<Figures>();
        for (const auto& [group, noisy] : json.at("noisy").items())
            baseline.noise_of[group] = noisy.at("noise");
        for (const auto& [name, gate] : json.at("gates").items())
            baseline.gates.push_back(read_gate(name, gate));
        return baseline;
    } catch (const nlohmann::json::exception& error) {
        return fail(Error(0, path + ": " + error.what()));
    }
}

void write_figures(std::ostream& out, const Figures& figures) {
    out << nlohmann::json(figures).dump(2) << std::endl;
}

Result<double> value_of(const Gate& gate, const Figures& figures) {
    BULKHEAD_TRY_VALUE(value, figure(gate.figure, figures));
    if (!gate.minus.empty()) {
        BULKHEAD_TRY_VALUE(base, figure(gate.minus, figures));
        value -= base;
    }
    if (!gate.of.empty()) {
        BULKHEAD_TRY_VALUE(whole, figure(gate.of, figures));
        value /= whole;
    }
    return value;
}

std::string group_of(const std::string& figure) {
    return figure.substr(0, figure.rfind('.'));
}

std::vector<std::string> compared_groups(const Baseline& baseline) {
    std::vector<std::string> groups;
    for (const auto& [name, value] : baseline.figures) {
        const std::string group = group_of(name);
        if (!name.starts_with("steps.") && (groups.empty() || groups.back() != group))
            groups.push_back(group);
    }
    return groups;
}

namespace {

// In instructions.
double noise_of(const Baseline& baseline, const std::string& group) {
    const auto whole = baseline.figures.find(group + ".whole");
    if (whole == baseline.figures.end())
        return 0;
    const auto own = baseline.noise_of.find(group);
    return (own == baseline.noise_of.end() ? baseline.noise : own->second) *
           static_cast<double>(whole->second);
}

}  // namespace

std::vector<std::string> moved(const Baseline& baseline, const std::string& group,
                               const Figures& figures) {
    const double noise = noise_of(baseline, group);
    std::vector<std::string> lines;
    for (const auto& [name, before] : baseline.figures) {
        if (group_of(name) != group)
            continue;
        const auto after = figures.find(name);
        if (after == figures.end()) {
            lines.push_back(name + " was not measured");
            continue;
        }
        const auto change = static_cast<double>(std::abs(after->second - before));
        if (change > baseline.tolerance * static_cast<double>(std::abs(before)) + noise)
            lines.push_back(name + " went from " + std::to_string(before) + " to " +
                            std::to_string(after->second));
    }
    return lines;
}

}  // namespace bulkhead::bench
