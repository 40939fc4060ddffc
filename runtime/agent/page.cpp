#include "runtime/agent/page.h"

#include <optional>
#include <utility>

#include "runtime/agent/gzip.h"
#include "runtime/openmetrics.h"

namespace bulkhead::runtime::agent {
namespace {

constexpr std::string_view kTextType = "text/plain; version=0.0.4; charset=utf-8";

// Collects what is written, compressed at once where that is asked for.
class Body {
public:
    explicit Body(Coding coding) {
        if (coding == Coding::kGzip)
            gzip_.emplace();
    }
    void add(std::string_view text) {
        if (gzip_)
            gzip_->add(text);
        else
            plain_ += text;
    }
    std::string finish() { return gzip_ ? gzip_->finish() : std::move(plain_); }

private:
    std::optional<Gzip> gzip_;
    std::string plain_;
};

}  // namespace

Page render(const std::function<void(const TextSink&)>& feed, Format format, Coding coding) {
    Body body(coding);
    feed([&](std::string_view text) { body.add(text); });
    if (format == Format::kOpenMetrics) {
        std::string last;
        openmetrics::end(last);
        body.add(last);
    }
    return {format == Format::kText ? kTextType : openmetrics::kContentType, coding, body.finish()};
}

Page render(Exporter& exporter, Format format, Coding coding) {
    return render([&](const TextSink& sink) { exporter.scrape(format, sink); }, format, coding);
}

}  // namespace bulkhead::runtime::agent
