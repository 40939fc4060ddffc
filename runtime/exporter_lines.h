// The samples of one metric of all environments, written as text at once: by way of a model they
// would cost eight times as much, and a thousand environments are a hundred thousand lines.
#pragma once

#include <prometheus/metric_type.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/digits.h"
#include "runtime/usage.h"

namespace bulkhead::runtime {

enum class Format {
    kText,         // https://prometheus.io/docs/instrumenting/exposition_formats/, 0.0.4
    kOpenMetrics,  // runtime/openmetrics.h
};

// Takes text as soon as it is written; the view is valid for the call.
using TextSink = std::function<void(std::string_view text)>;

// A time, exported in seconds.
struct Nanoseconds {
    std::uint64_t ns;
};

// Each writes at a place that has room, and says where it ended.
inline char* put(char* at, std::string_view text) {
    std::memcpy(at, text.data(), text.size());
    return at + text.size();
}
inline char* put(char* at, std::uint64_t value) {
    return put_digits(at, value);
}
char* put(char* at, Nanoseconds time);  // in seconds, all digits of it

// Text that grows at its end, by whoever has asked for room there.
class TextBuffer {
public:
    TextBuffer() = default;
    TextBuffer(const TextBuffer&) = delete;
    TextBuffer& operator=(const TextBuffer&) = delete;
    ~TextBuffer() { std::free(begin_); }

    [[nodiscard]] std::string_view text() const { return {begin_, size()}; }
    [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
    void clear() { end_ = begin_; }
    // The end, with room for so many bytes.
    char* reserve(std::size_t bytes) {
        if (static_cast<std::size_t>(limit_ - end_) < bytes)
            grow(bytes);
        return end_;
    }
    // What was written since reaches up to `end`.
    void extend_to(char* end) { end_ = end; }

private:
    void grow(std::size_t bytes);

    char* begin_ = nullptr;  // of realloc(3), which moves pages and does not copy them
    char* end_ = nullptr;
    char* limit_ = nullptr;
};

// What all lines of one environment have in common.
struct EnvironmentText {
    EnvironmentText(const std::string& name, double started_unix_s);

    std::string label;    // {environment="NAME"
    std::string created;  // when it started, and the end of the line
};

// One family. What it writes goes to the sink in pieces: a thousand environments at once would be
// fresh pages, which cost as much as a tenth of the text in them.
class EnvironmentLines {
public:
    // `out` is empty, and is so again at the end. `name` ends in _total if it is a counter.
    EnvironmentLines(TextBuffer& out, const TextSink& sink, Format format, std::string_view name,
                     std::string_view help, prometheus::MetricType type);

    // Of whom the samples are from now on; outlives them.
    void begin(const EnvironmentText& environment) {
        if (out_.size() >= kPiece)
            hand_over();
        environment_ = &environment;
        if (has_created_)
            created_ = environment.created;
        room_ = 2 * (bucket_metric_.size() + environment.label.size()) + kRoom;
    }

    void add(std::uint64_t value) { add("", value); }
    void add(Nanoseconds value) { add("", value); }
    // `labels` as they stand in the text, beside the environment's: mode="user".
    void add(std::string_view labels, std::uint64_t value);
    void add(std::string_view labels, Nanoseconds value);
    // `sum`: of all waits.
    void add_histogram(const Waits& waits, Nanoseconds sum);

    // A family without a sample is not written.
    void end();

private:
    // Beyond this, text is handed over.
    static constexpr std::size_t kPiece = 32768;
    // More than the numbers and the punctuation of one sample and of its time of creation.
    static constexpr std::size_t kRoom = 128;

    template <typename Value>
    void add_line(std::string_view metric, std::string_view labels, Value value);
    void hand_over();

    TextBuffer& out_;
    const TextSink& sink_;
    bool has_created_;
    std::string metric_;         // as its samples are named
    std::string bucket_metric_;  // as those of a histogram are
    std::string count_metric_;
    std::string sum_metric_;
    std::string created_metric_;  // as its times of creation are
    const EnvironmentText* environment_ = nullptr;
    std::string_view created_;   // the environment's, where samples have one
    std::size_t head_size_ = 0;  // until it is handed over
    std::size_t room_ = 0;       // for a line and its time of creation, but for `labels`
};

}  // namespace bulkhead::runtime
