// The samples of one metric of all environments, written as text at once: by way of a model they
// would cost ten times as much, and a thousand environments are a hundred thousand lines.
#pragma once

#include <prometheus/metric_type.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/usage.h"

namespace bulkhead::runtime {

enum class Format {
    kText,         // https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4
    kOpenMetrics,  // runtime/openmetrics.h
};

// Text that is appended to without a check each time: who appends reserves before.
class TextBuffer {
public:
    [[nodiscard]] std::string_view text() const { return {bytes_.get(), size_}; }
    [[nodiscard]] std::size_t size() const { return size_; }
    // Cuts off what is beyond.
    void resize(std::size_t size) { size_ = size; }
    // Makes room for so many bytes more.
    void reserve(std::size_t bytes) {
        if (capacity_ - size_ < bytes)
            grow(bytes);
    }
    void put(std::string_view text) {
        std::memcpy(bytes_.get() + size_, text.data(), text.size());
        size_ += text.size();
    }
    void put(char letter) { bytes_[size_++] = letter; }
    void put_number(std::uint64_t value);
    // In seconds, all digits of it.
    void put_seconds(std::uint64_t ns);

private:
    void grow(std::size_t bytes);

    std::unique_ptr<char[]> bytes_;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

// A time, exported in seconds.
struct Nanoseconds {
    std::uint64_t ns;
};

// What all lines of one environment have in common.
struct EnvironmentText {
    std::string name;     // as a label's value, escaped
    std::string created;  // when it started, in seconds since 1970, as OpenMetrics writes it
};

class EnvironmentLines {
public:
    // Begins a family; `name` ends in _total if it is a counter.
    EnvironmentLines(TextBuffer& out, Format format, std::string_view name, std::string_view help,
                     prometheus::MetricType type);

    // Of whom the samples are from now on; outlives them.
    void begin(const EnvironmentText& environment) { environment_ = &environment; }

    void add(std::uint64_t value) { add_labelled({}, value); }
    void add(Nanoseconds value) { add_labelled({}, value); }
    template <typename Value>
    void add(std::string_view label, std::string_view label_value, Value value) {
        add_labelled({{label, label_value}}, value);
    }

    // Name and value, which needs no escaping.
    using Label = std::pair<std::string_view, std::string_view>;
    void add_labelled(std::initializer_list<Label> labels, std::uint64_t value);
    void add_labelled(std::initializer_list<Label> labels, Nanoseconds value);
    // `sum`: of all waits.
    void add_histogram(const Waits& waits, Nanoseconds sum);

    // A family without a sample is taken back.
    void end();

private:
    // Up to the value.
    void begin_line(std::initializer_list<Label> labels);
    void end_line();
    void put_suffixed(std::string_view suffix);

    TextBuffer& out_;
    std::size_t begin_;  // of the family
    std::size_t samples_begin_ = 0;
    std::size_t labels_begin_ = 0;  // of the last line
    std::size_t labels_size_ = 0;
    bool has_created_;
    std::string line_head_;     // up to the environment's name
    std::string created_head_;  // up to the labels
    const EnvironmentText* environment_ = nullptr;
};

}  // namespace bulkhead::runtime
