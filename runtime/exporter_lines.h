// The samples of one metric of all environments, written as text at once: by way of a model they
// would cost eight times as much, and a thousand environments are a hundred thousand lines.
#pragma once

#include <prometheus/metric_type.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/usage.h"

namespace bulkhead::runtime {

enum class Format {
    kText,         // https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4
    kOpenMetrics,  // runtime/openmetrics.h
};

// Text that is appended to without a check each time: who appends reserves before.
class TextBuffer {
public:
    TextBuffer() = default;
    TextBuffer(const TextBuffer&) = delete;
    TextBuffer& operator=(const TextBuffer&) = delete;
    ~TextBuffer() { std::free(begin_); }

    [[nodiscard]] std::string_view text() const { return {begin_, size()}; }
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
    // Cuts off what is beyond.
    void resize(std::size_t size) { end_ = begin_ + size; }
    // Makes room for so many bytes more.
    void reserve(std::size_t bytes) {
        if (static_cast<std::size_t>(limit_ - end_) < bytes)
            grow(bytes);
    }
    void put(std::string_view text) {
        std::memcpy(end_, text.data(), text.size());
        end_ += text.size();
    }
    void put(char letter) { *end_++ = letter; }
    void put_number(std::uint64_t value);
    // In seconds, all digits of it.
    void put_seconds(std::uint64_t ns);

private:
    void grow(std::size_t bytes);

    char* begin_ = nullptr;  // of realloc(3), which moves pages and does not copy them
    char* end_ = nullptr;
    char* limit_ = nullptr;
};

// A time, exported in seconds.
struct Nanoseconds {
    std::uint64_t ns;
};

// What all lines of one environment have in common.
struct EnvironmentText {
    EnvironmentText(const std::string& name, std::optional<double> started_unix_s);

    std::string label;    // {environment="NAME"
    std::string created;  // when it started, and the end of the line; empty: not known
};

class EnvironmentLines {
public:
    // Begins a family; `name` ends in _total if it is a counter.
    EnvironmentLines(TextBuffer& out, Format format, std::string_view name, std::string_view help,
                     prometheus::MetricType type);

    // Of whom the samples are from now on; outlives them.
    void begin(const EnvironmentText& environment) { environment_ = &environment; }

    void add(std::uint64_t value) { add("", value); }
    void add(Nanoseconds value) { add("", value); }
    // `labels` as they stand in the text, beside the environment's: mode="user".
    void add(std::string_view labels, std::uint64_t value);
    void add(std::string_view labels, Nanoseconds value);
    // `sum`: of all waits.
    void add_histogram(const Waits& waits, Nanoseconds sum);

    // A family without a sample is taken back.
    void end();

private:
    // Up to the value.
    void begin_line(std::string_view labels);
    void end_line();

    TextBuffer& out_;
    std::size_t begin_;  // of the family
    std::size_t samples_begin_ = 0;
    std::size_t labels_begin_ = 0;  // of the last line
    std::size_t labels_size_ = 0;
    bool has_created_;
    std::string line_head_;     // up to the labels
    std::string created_head_;  // as far
    const EnvironmentText* environment_ = nullptr;
};

}  // namespace bulkhead::runtime
