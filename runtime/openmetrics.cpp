#include "runtime/openmetrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "runtime/digits.h"

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

void append_line_start(std::string& out, std::string_view keyword, std::string_view family) {
    out += "# ";
    out += keyword;
    out += ' ';
    out += family;
    out += ' ';
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
    const auto has = [&](char letter) { return text.find(letter) != std::string_view::npos; };
    if (!has('\\') && !has('"') && !has('\n')) {
        out += text;
        return;
    }
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

void append_timestamp(std::string& out, double unix_s) {
    const auto unix_ms = static_cast<std::uint64_t>(std::max(0LL, std::llround(unix_s * 1000)));
    std::array<char, kMaxDigits + 4> text;
    char* at = put_digits(text.data(), unix_ms / 1000);
    *at++ = '.';
    out.append(text.data(), put_places(at, static_cast<std::uint32_t>(unix_ms % 1000), 3));
}

void append_bound(std::string& out, double bound) {
    const std::size_t begin = out.size();
    append_number(out, bound);
    if (out.find_first_not_of("-0123456789", begin) == std::string::npos)
        out += ".0";
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

namespace {

// The lines of one sample. Its labels are written once and copied from there.
class Lines {
public:
    Lines(std::string& out, std::string_view name, const ClientMetric& sample)
        : out_(out), name_(name), sample_(sample) {}

    // Begins a line, up to its value.
    void begin(std::string_view suffix) {
        begin_labels(suffix);
        if (labels_length_ != 0)
            out_ += '}';
        out_ += ' ';
    }
    void begin(std::string_view suffix, double bound) {
        begin_labels(suffix);
        out_ += labels_length_ != 0 ? ",le=\"" : "{le=\"";
        append_bound(out_, bound);
        out_ += "\"} ";
    }

private:
    void begin_labels(std::string_view suffix) {
        out_ += name_;
        out_ += suffix;
        if (labels_begin_ != std::string::npos) {
            out_.append(out_, labels_begin_, labels_length_);
            return;
        }
        labels_begin_ = out_.size();
        for (const ClientMetric::Label& label : sample_.label) {
            out_ += out_.size() == labels_begin_ ? '{' : ',';
            out_ += label.name;
            out_ += "=\"";
            append_escaped(out_, label.value);
            out_ += '"';
        }
        labels_length_ = out_.size() - labels_begin_;
    }

    std::string& out_;
    std::string_view name_;
    const ClientMetric& sample_;
    std::size_t labels_begin_ = std::string::npos;  // npos: not written yet
    std::size_t labels_length_ = 0;
};

void append_value(std::string& out, double value) {
    append_number(out, value);
    out += '\n';
}

void append_created(std::string& out, Lines& lines, std::optional<double> began) {
    if (!began)
        return;
    lines.begin("_created");
    append_timestamp(out, *began);
    out += '\n';
}

void write_counter(std::string& out, const MetricFamily& family, const Began& began) {
    const std::string_view name = without_total(family.name);
    append_head(out, name, "counter", family.help);
    for (const ClientMetric& sample : family.metric) {
        Lines lines(out, name, sample);
        lines.begin(kTotal);
        append_value(out, sample.counter.value);
        append_created(out, lines, began(sample));
    }
}

void write_gauge(std::string& out, const MetricFamily& family) {
    const bool is_info = family.name.ends_with(kInfo);
    const std::string_view name = is_info ? without(family.name, kInfo) : family.name;
    append_head(out, name, is_info ? "info" : "gauge", family.help);
    for (const ClientMetric& sample : family.metric) {
        Lines(out, name, sample).begin(is_info ? kInfo : "");
        append_value(out, sample.gauge.value);
    }
}

void write_histogram(std::string& out, const MetricFamily& family, const Began& began) {
    append_head(out, family.name, "histogram", family.help);
    for (const ClientMetric& sample : family.metric) {
        Lines lines(out, family.name, sample);
        for (const ClientMetric::Bucket& bucket : sample.histogram.bucket) {
            lines.begin("_bucket", bucket.upper_bound);
            append_value(out, static_cast<double>(bucket.cumulative_count));
        }
        lines.begin("_count");
        append_value(out, static_cast<double>(sample.histogram.sample_count));
        lines.begin("_sum");
        append_value(out, sample.histogram.sample_sum);
        append_created(out, lines, began(sample));
    }
}

}  // namespace

std::string_view without_total(std::string_view name) {
    return without(name, kTotal);
}

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
