#include "runtime/exporter_lines.h"

#include <algorithm>
#include <array>
#include <new>

#include "runtime/format.h"
#include "runtime/openmetrics.h"

namespace bulkhead::runtime {
namespace {

using prometheus::MetricType;

constexpr std::uint64_t kPerSecond = 1'000'000'000;

// The ends of the buckets' lines, up to their values.
using BucketEnds = std::array<std::string, BH_WAIT_BUCKETS>;

const BucketEnds& bucket_ends() {
    static const BucketEnds kEnds = [] {
        BucketEnds ends;
        for (unsigned i = 0; i < BH_WAIT_BUCKETS; ++i) {
            ends[i] = ",le=\"";
            if (i + 1 < BH_WAIT_BUCKETS)
                openmetrics::append_bound(ends[i],
                                          static_cast<double>(BH_WAIT_BOUND_NS(i)) / kPerSecond);
            else
                ends[i] += "+Inf";
            ends[i] += "\"} ";
        }
        return ends;
    }();
    return kEnds;
}

void put_head(TextBuffer& out, Format format, std::string_view name, std::string_view help,
              MetricType type) {
    const char* const kind = type == MetricType::Counter ? "counter"
                             : type == MetricType::Gauge ? "gauge"
                                                         : "histogram";
    std::string head;
    if (format == Format::kOpenMetrics)
        openmetrics::append_head(head, openmetrics::without_total(name), kind, help);
    else
        head = formatted("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
    out.extend_to(put(out.reserve(head.size()), head));
}

}  // namespace

void TextBuffer::grow(std::size_t bytes) {
    constexpr std::size_t kLeast = 65536;
    const std::size_t used = size();
    const std::size_t capacity =
        std::max({kLeast, 2 * static_cast<std::size_t>(limit_ - begin_), used + bytes});
    auto* const larger = static_cast<char*>(std::realloc(begin_, capacity));
    if (larger == nullptr)
        throw std::bad_alloc();
    begin_ = larger;
    end_ = begin_ + used;
    limit_ = begin_ + capacity;
}

char* put(char* at, Nanoseconds time) {
    at = put(at, time.ns / kPerSecond);
    const auto rest = static_cast<std::uint32_t>(time.ns % kPerSecond);
    if (rest == 0)
        return at;
    *at++ = '.';
    at = put_places(at, rest, 9);
    while (at[-1] == '0')
        --at;
    return at;
}

EnvironmentText::EnvironmentText(const std::string& name, double started_unix_s)
    : label("{environment=\"") {
    label.reserve(label.size() + name.size() + 1);
    openmetrics::append_escaped(label, name);
    label += '"';
    std::string at;
    openmetrics::append_timestamp(at, started_unix_s);
    created = CreatedText(at + '\n');
}

EnvironmentLines::EnvironmentLines(TextBuffer& out, const TextSink& sink, Format format,
                                   std::string_view name, std::string_view help, MetricType type)
    : out_(out),
      sink_(sink),
      has_created_(format == Format::kOpenMetrics && type != MetricType::Gauge),
      metric_(name),
      bucket_metric_(std::string(name) + "_bucket"),
      count_metric_(std::string(name) + "_count"),
      sum_metric_(std::string(name) + "_sum"),
      created_metric_(std::string(openmetrics::without_total(name)) + "_created") {
    put_head(out_, format, name, help, type);
    head_size_ = out_.size();
}

void EnvironmentLines::hand_over() {
    sink_(out_.text());
    out_.clear();
    head_size_ = 0;
}

template <typename Value>
inline void EnvironmentLines::add_line(const MetricText& metric, std::string_view labels,
                                       Value value) {
    char* at = put(out_.reserve(room_ + 2 * labels.size()), metric);
    const char* const common = at;
    at = put(at, environment_->label);
    if (!labels.empty()) {
        *at++ = ',';
        at = put(at, labels);
    }
    at = put(at, "} ");
    const auto common_size = static_cast<std::size_t>(at - common);
    at = put(at, value);
    *at++ = '\n';
    if (created_ != nullptr) {
        at = put(at, created_metric_);
        at = put(at, std::string_view(common, common_size));
        at = put(at, *created_);
    }
    out_.extend_to(at);
}

void EnvironmentLines::add(std::string_view labels, std::uint64_t value) {
    add_line(metric_, labels, value);
}

void EnvironmentLines::add(std::string_view labels, Nanoseconds value) {
    add_line(metric_, labels, value);
}

void EnvironmentLines::add_histogram(const Waits& waits, Nanoseconds sum) {
    char* at = out_.reserve((waits.size() + 1) * room_);
    const char* const common = at;
    at = put(put(at, bucket_metric_), environment_->label);
    const auto common_size = static_cast<std::size_t>(at - common);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < waits.size(); ++i) {
        if (i != 0)
            at = put(at, std::string_view(common, common_size));
        at = put(put(at, bucket_ends()[i]), count += waits[i]);
        *at++ = '\n';
    }
    at = put(put(put(at, count_metric_), environment_->label), "} ");
    at = put(at, count);
    *at++ = '\n';
    out_.extend_to(at);
    add_line(sum_metric_, "", sum);
}

void EnvironmentLines::end() {
    if (out_.size() != head_size_)
        hand_over();
    out_.clear();
}

}  // namespace bulkhead::runtime
