#include "runtime/exporter_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <new>

#include "runtime/openmetrics.h"

namespace bulkhead::runtime {
namespace {

using prometheus::MetricType;

// More than the numbers and the punctuation of one sample and of its time of creation.
constexpr std::size_t kRoom = 128;
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
        head = fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, kind);
    out.reserve(head.size());
    out.put(head);
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

void TextBuffer::put_number(std::uint64_t value) {
    end_ = std::to_chars(end_, limit_, value).ptr;
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
        end_[i] = static_cast<char>('0' + rest % 10);
    end_ += digits;
}

EnvironmentText::EnvironmentText(const std::string& name, std::optional<double> started_unix_s)
    : label("{environment=\"") {
    openmetrics::append_escaped(label, name);
    label += '"';
    if (!started_unix_s)
        return;
    openmetrics::append_timestamp(created, *started_unix_s);
    created += '\n';
}

EnvironmentLines::EnvironmentLines(TextBuffer& out, Format format, std::string_view name,
                                   std::string_view help, MetricType type)
    : out_(out),
      begin_(out.size()),
      has_created_(format == Format::kOpenMetrics && type != MetricType::Gauge),
      line_head_(name),
      created_head_(openmetrics::without_total(name)) {
    put_head(out_, format, name, help, type);
    samples_begin_ = out_.size();
    created_head_ += "_created";
}

void EnvironmentLines::begin_line(std::string_view labels) {
    out_.reserve(2 * (line_head_.size() + environment_->label.size() + labels.size()) + kRoom);
    out_.put(line_head_);
    labels_begin_ = out_.size();
    out_.put(environment_->label);
    if (!labels.empty()) {
        out_.put(',');
        out_.put(labels);
    }
    out_.put("} ");
    labels_size_ = out_.size() - labels_begin_;
}

void EnvironmentLines::end_line() {
    out_.put('\n');
    if (!has_created_ || environment_->created.empty())
        return;
    out_.put(created_head_);
    out_.put(out_.text().substr(labels_begin_, labels_size_));
    out_.put(environment_->created);
}

void EnvironmentLines::add(std::string_view labels, std::uint64_t value) {
    begin_line(labels);
    out_.put_number(value);
    end_line();
}

void EnvironmentLines::add(std::string_view labels, Nanoseconds value) {
    begin_line(labels);
    out_.put_seconds(value.ns);
    end_line();
}

void EnvironmentLines::add_histogram(const Waits& waits, Nanoseconds sum) {
    out_.reserve((waits.size() + 3) * (line_head_.size() + environment_->label.size() + kRoom));
    const auto begin = [&](std::string_view suffix) {
        out_.put(line_head_);
        out_.put(suffix);
        labels_begin_ = out_.size();
        out_.put(environment_->label);
    };
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < waits.size(); ++i) {
        count += waits[i];
        begin("_bucket");
        out_.put(bucket_ends()[i]);
        out_.put_number(count);
        out_.put('\n');
    }
    begin("_count");
    out_.put("} ");
    out_.put_number(count);
    out_.put('\n');
    begin("_sum");
    out_.put("} ");
    labels_size_ = out_.size() - labels_begin_;
    out_.put_seconds(sum.ns);
    end_line();
}

void EnvironmentLines::end() {
    if (out_.size() == samples_begin_)
        out_.resize(begin_);
}

}  // namespace bulkhead::runtime
