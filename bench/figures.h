// What was measured, by name. Names are paths with dots: hooks.open_close.outside.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "loader/result.h"

namespace bulkhead::bench {

using Figures = std::map<std::string, std::int64_t>;

// The middle one; the lower of the two middle ones.
std::int64_t median(std::vector<std::int64_t> values);

// A bound on `figure`, or on `figure` as a part of `of` when that is given.
struct Gate {
    std::string name;
    std::string figure;
    std::string of;     // may be empty
    std::string minus;  // subtracted from the figure first; may be empty
    double limit = 0;
    std::string reason;  // of this limit
};

// The checked-in file: what was measured last, how far it may move, and what it may never exceed.
struct Baseline {
    double tolerance = 0;  // as a part of the figure
    double noise = 0;      // for what one program adds: as a part of the whole act
    std::map<std::string, double> noise_of;  // instead of `noise`, by group; the file says why
    Figures figures;
    std::vector<Gate> gates;
};

Result<Baseline> read_baseline(const std::string& path);
// As JSON.
void write_figures(std::ostream& out, const Figures& figures);

// The gated value. A figure that was not measured is an error: a gate never passes on nothing.
Result<double> value_of(const Gate& gate, const Figures& figures);

// Figures of one thing have one name up to the last dot. A story of where a start spends its time
// (steps.…) is for reading: it is not compared.
std::string group_of(const std::string& figure);
std::vector<std::string> compared_groups(const Baseline& baseline);

// What moved too far in a group, or is missing; one line each, empty when nothing did.
std::vector<std::string> moved(const Baseline& baseline, const std::string& group,
                               const Figures& figures);

}  // namespace bulkhead::bench
