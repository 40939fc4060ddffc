// The samples of one metric of all environments, written as text at once: by way of a model they
// would cost eight times as much, and a thousand environments are a hundred thousand lines.
#pragma once

#include <prometheus/metric_type.h>

#include <algorithm>
#include <array>
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

// Text of bounded length, written with all its room: that takes a third of the instructions of a
// call that looks at the length first, and there is room beyond every end.
template <std::size_t Room>
class ShortText {
public:
    static constexpr std::size_t kRoom = Room;

    ShortText() = default;
    // At most kRoom bytes of `text`.
    explicit ShortText(std::string_view text) : size_(std::min(text.size(), Room)) {
        std::memcpy(bytes_.data(), text.data(), size_);
    }

    [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }
    [[nodiscard]] std::size_t size() const { return size_; }

    friend char* put(char* at, const ShortText& text) {
        std::memcpy(at, text.bytes_.data(), Room);
        return at + text.size_;
    }

private:
    std::array<char, Room> bytes_{};
    std::size_t size_ = 0;
};

// A metric's name with what its samples have at the end, and a time of creation with a new line.
using MetricText = ShortText<64>;
using CreatedText = ShortText<32>;

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
    CreatedText created;  // when it started, and the end of the line
};

// One family. What it writes goes to the sink in pieces: a thousand environments at once would be
// fresh pages, which cost as much as a tenth of the text in them.
class EnvironmentLines {
public:
    // `out` is empty, and is so again at the end. `name` ends in _total if it is a counter, and
    // leaves room in MetricText for _created.
    EnvironmentLines(TextBuffer& out, const TextSink& sink, Format format, std::string_view name,
                     std::string_view help, prometheus::MetricType type);

    // Of whom the samples are from now on; outlives them.
    void begin(const EnvironmentText& environment) {
        if (out_.size() >= kPiece)
            hand_over();
        environment_ = &environment;
        if (has_created_)
            created_ = &environment.created;
        room_ = 2 * environment.label.size() + kRoom;
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
    // More than the names, the numbers and the punctuation of one sample and of its time of
    // creation.
    static constexpr std::size_t kRoom = 2 * MetricText::kRoom + CreatedText::kRoom + 128;

    template <typename Value>
    void add_line(const MetricText& metric, std::string_view labels, Value value);
    void hand_over();

    TextBuffer& out_;
    const TextSink& sink_;
    bool has_created_;
    MetricText metric_;         // as its samples are named
    MetricText bucket_metric_;  // as those of a histogram are
    MetricText count_metric_;
    MetricText sum_metric_;
    MetricText created_metric_;  // as its times of creation are
    const EnvironmentText* environment_ = nullptr;
    const CreatedText* created_ = nullptr;  // the environment's, where samples have one
    std::size_t head_size_ = 0;             // until it is handed over
    std::size_t room_ = 0;                  // for a line and its time of creation, but for `labels`
};

}  // namespace bulkhead::runtime
