#include "runtime/openmetrics.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace bulkhead::runtime::openmetrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";
constexpr std::string_view kInfo = "_info";

// The longest first: each is looked for at the end of the name.
constexpr std::array<std::string_view, 3> kUnits = {"byte_seconds", "seconds", "bytes"};

std::string_view without(std::string_view name, std::string_view suffix) {
    return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char letter : text) {
        switch (letter) {
            case '\\':
                out += "\\\\";
                break;
            case '"':
                out += "\\\"";
                break;
            case '\n':
                out += "\\n";
                break;
            default:
                out += letter;
        }
    }
}

template <typename... Format>
void append_digits(std::string& out, Format... format) {
    std::array<char, 400> digits{};  // the largest double, written out
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), format...).ptr;
    out.append(digits.data(), end);
}

// The shortest text that reads back as the same number.
void append_number(std::string& out, double value) {
    constexpr double kExact = 9007199254740992;  // up to here a double has every whole number
    if (std::isnan(value))
        out += "NaN";
    else if (std::isinf(value))
        out += value > 0 ? "+Inf" : "-Inf";
    else if (std::abs(value) < kExact && std::trunc(value) == value)
        append_digits(out, static_cast<std::int64_t>(value));
    else
        append_digits(out, value);
}

void append_timestamp(std::string& out, double unix_s) {
    constexpr int kMilliseconds = 3;
    append_digits(out, unix_s, std::chars_format::fixed, kMilliseconds);
}

// A bound is a label, so all must write it in the same way: a float has a point or an exponent.
std::string bound_text(double bound) {
    std::string text;
    append_number(text, bound);
    if (text.find_first_not_of("-0123456789") == std::string::npos)
        text += ".0";
    return text;
}

void append_line_start(std::string& out, std::string_view keyword, std::string_view family) {
    out += "# ";
    out += keyword;
    out += ' ';
    out += family;
    out += ' ';
}

void append_head(std::string& out, std::string_view name, std::string_view type,
                 std::string_view help) {
    append_line_start(out, "TYPE", name);
    out += type;
    out += '\n';
    if (const std::string_view unit = unit_of(name); !unit.empty()) {
        append_line_start(out, "UNIT", name);
        out += unit;
        out += '\n';
    }
    append_line_start(out, "HELP", name);
    append_escaped(out, help);
    out += '\n';
}

// Name, suffix and labels of one line, and the blank after them.
class Line {
public:
    Line(std::string_view name, const ClientMetric& sample) : name_(name) {
        for (const ClientMetric::Label& label : sample.label)
            add_label(labels_, label.name, label.value);
    }

    void begin(std::string& out, std::string_view suffix) const { append(out, suffix, labels_); }
    void begin(std::string& out, std::string_view suffix, double bound) const {
        std::string labels = labels_;
        add_label(labels, "le", bound_text(bound));
        append(out, suffix, labels);
    }

private:
    static void add_label(std::string& labels, std::string_view name, std::string_view value) {
        if (!labels.empty())
            labels += ',';
        labels += name;
        labels += "=\"";
        append_escaped(labels, value);
        labels += '"';
    }
    void append(std::string& out, std::string_view suffix, const std::string& labels) const {
        out += name_;
        out += suffix;
        if (!labels.empty()) {
            out += '{';
            out += labels;
            out += '}';
        }
        out += ' ';
    }

    std::string_view name_;
    std::string labels_;
};

void append_value(std::string& out, double value) {
    append_number(out, value);
    out += '\n';
}

void append_created(std::string& out, const Line& line, std::optional<double> began) {
    if (!began)
        return;
    line.begin(out, "_created");
    append_timestamp(out, *began);
    out += '\n';
}

void write_counter(std::string& out, const MetricFamily& family, const Began& began) {
    const std::string_view name = without(family.name, kTotal);
    append_head(out, name, "counter", family.help);
    for (const ClientMetric& sample : family.metric) {
        const Line line(name, sample);
        line.begin(out, kTotal);
        append_value(out, sample.counter.value);
        append_created(out, line, began(sample));
    }
}

void write_gauge(std::string& out, const MetricFamily& family) {
    const bool is_info = family.name.ends_with(kInfo);
    const std::string_view name = is_info ? without(family.name, kInfo) : family.name;
    append_head(out, name, is_info ? "info" : "gauge", family.help);
    for (const ClientMetric& sample : family.metric) {
        Line(name, sample).begin(out, is_info ? kInfo : "");
        append_value(out, sample.gauge.value);
    }
}

void write_histogram(std::string& out, const MetricFamily& family, const Began& began) {
    append_head(out, family.name, "histogram", family.help);
    for (const ClientMetric& sample : family.metric) {
        const Line line(family.name, sample);
        for (const ClientMetric::Bucket& bucket : sample.histogram.bucket) {
            line.begin(out, "_bucket", bucket.upper_bound);
            append_value(out, static_cast<double>(bucket.cumulative_count));
        }
        line.begin(out, "_count");
        append_value(out, static_cast<double>(sample.histogram.sample_count));
        line.begin(out, "_sum");
        append_value(out, sample.histogram.sample_sum);
        append_created(out, line, began(sample));
    }
}

}  // namespace

std::string_view unit_of(std::string_view family) {
    for (const std::string_view unit : kUnits)
        if (family.size() > unit.size() && family.ends_with(unit) &&
            family[family.size() - unit.size() - 1] == '_')
            return unit;
    return "";
}

void write(std::string& out, const MetricFamily& family, const Began& began) {
    if (family.type == MetricType::Counter)
        write_counter(out, family, began);
    else if (family.type == MetricType::Histogram)
        write_histogram(out, family, began);
    else
        write_gauge(out, family);
}

void end(std::string& out) {
    out += "# EOF\n";
}

}  // namespace bulkhead::runtime::openmetrics
