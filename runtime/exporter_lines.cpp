#include "runtime/exporter_lines.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "runtime/openmetrics.h"

namespace bulkhead::runtime {
namespace {

using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";
constexpr std::string_view kEnvironment = "{environment=\"";
// Labels and numbers of one sample, without the name of the environment, written twice: as the
// sample and as its time of creation.
constexpr std::size_t kRoom = 1024;
constexpr std::uint64_t kPerSecond = 1'000'000'000;

// The bounds of the waits as labels.
using Bounds = std::array<std::string, BH_WAIT_BUCKETS>;

const Bounds& bounds() {
    static const Bounds kBounds = [] {
        Bounds texts;
        for (unsigned i = 0; i + 1 < BH_WAIT_BUCKETS; ++i)
            openmetrics::append_bound(texts[i],
                                      static_cast<double>(BH_WAIT_BOUND_NS(i)) / kPerSecond);
        texts.back() = "+Inf";
        return texts;
    }();
    return kBounds;
}

std::string_view without_total(std::string_view name) {
    return name.ends_with(kTotal) ? name.substr(0, name.size() - kTotal.size()) : name;
}

void put_head(TextBuffer& out, Format format, std::string_view name, std::string_view help,
              MetricType type) {
    const char* const kind = type == MetricType::Counter ? "counter"
                             : type == MetricType::Gauge ? "gauge"
                                                         : "histogram";
    std::string head;
    if (format == Format::kOpenMetrics)
        openmetrics::append_head(head, without_total(name), kind, help);
    else
        for (const std::string_view part :
             {std::string_view("# HELP "), name, std::string_view(" "), help,
              std::string_view("\n# TYPE "), name, std::string_view(" "), std::string_view(kind),
              std::string_view("\n")})
            head += part;
    out.reserve(head.size());
    out.put(head);
}

}  // namespace

void TextBuffer::grow(std::size_t bytes) {
    constexpr std::size_t kLeast = 65536;
    const std::size_t capacity = std::max({kLeast, capacity_ * 2, size_ + bytes});
    auto larger = std::make_unique<char[]>(capacity);
    if (size_ != 0)
        std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
}

void TextBuffer::put_number(std::uint64_t value) {
    char* const begin = bytes_.get() + size_;
    const std::size_t most = std::min<std::size_t>(capacity_ - size_, 20);
    size_ += static_cast<std::size_t>(std::to_chars(begin, begin + most, value).ptr - begin);
}

void TextBuffer::put_seconds(std::uint64_t ns) {
    put_number(ns / kPerSecond);
    std::uint64_t rest = ns % kPerSecond;
    if (rest == 0)
        return;
    std::size_t digits = 9;
    for (; rest % 10 == 0; rest /= 10)
        --digits;
    put('.');
    for (std::size_t i = digits; i-- > 0; rest /= 10)
        bytes_[size_ + i] = static_cast<char>('0' + rest % 10);
    size_ += digits;
}

EnvironmentLines::EnvironmentLines(TextBuffer& out, Format format, std::string_view name,
                                   std::string_view help, MetricType type)
    : out_(out),
      begin_(out.size()),
      has_created_(format == Format::kOpenMetrics && type != MetricType::Gauge),
      line_head_(name),
      created_head_(without_total(name)) {
    put_head(out_, format, name, help, type);
    samples_begin_ = out_.size();
    if (type != MetricType::Histogram)
        line_head_ += kEnvironment;
    created_head_ += "_created";
}

void EnvironmentLines::begin_line(std::initializer_list<Label> labels) {
    out_.reserve(2 * (line_head_.size() + environment_->name.size()) + kRoom);
    out_.put(line_head_);
    labels_begin_ = out_.size() - kEnvironment.size();
    out_.put(environment_->name);
    for (const auto& [name, value] : labels) {
        out_.put("\",");
        out_.put(name);
        out_.put("=\"");
        out_.put(value);
    }
    out_.put("\"} ");
    labels_size_ = out_.size() - labels_begin_;
}

void EnvironmentLines::end_line() {
    out_.put('\n');
    if (!has_created_)
        return;
    out_.put(created_head_);
    out_.put(out_.text().substr(labels_begin_, labels_size_));
    out_.put(environment_->created);
    out_.put('\n');
}

void EnvironmentLines::add_labelled(std::initializer_list<Label> labels, std::uint64_t value) {
    begin_line(labels);
    out_.put_number(value);
    end_line();
}

void EnvironmentLines::add_labelled(std::initializer_list<Label> labels, Nanoseconds value) {
    begin_line(labels);
    out_.put_seconds(value.ns);
    end_line();
}

// A line of a histogram up to the end of its environment's name.
void EnvironmentLines::put_suffixed(std::string_view suffix) {
    out_.put(line_head_);
    out_.put(suffix);
    out_.put(kEnvironment);
    out_.put(environment_->name);
}

void EnvironmentLines::add_histogram(const Waits& waits, Nanoseconds sum) {
    const std::size_t line = line_head_.size() + environment_->name.size() + 128;
    out_.reserve((waits.size() + 3) * line);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < waits.size(); ++i) {
        count += waits[i];
        put_suffixed("_bucket");
        out_.put("\",le=\"");
        out_.put(bounds()[i]);
        out_.put("\"} ");
        out_.put_number(count);
        out_.put('\n');
    }
    put_suffixed("_sum");
    out_.put("\"} ");
    out_.put_seconds(sum.ns);
    out_.put('\n');
    put_suffixed("_count");
    labels_begin_ = out_.size() - environment_->name.size() - kEnvironment.size();
    out_.put("\"} ");
    labels_size_ = out_.size() - labels_begin_;
    out_.put_number(count);
    end_line();
}

void EnvironmentLines::end() {
    if (out_.size() == samples_begin_)
        out_.resize(begin_);
}

}  // namespace bulkhead::runtime
