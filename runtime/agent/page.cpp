#include "runtime/agent/page.h"

#include <prometheus/text_serializer.h>

#include <optional>
#include <sstream>
#include <utility>
#include <vector>

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

std::string as_text(const prometheus::MetricFamily& family) {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, {family});
    return std::move(out).str();
}

}  // namespace

Page render(const std::function<void(const FamilySink&)>& feed, Format format, Coding coding) {
    Body body(coding);
    std::string text;
    feed([&](const prometheus::MetricFamily& family, const openmetrics::Began& began) {
        if (format == Format::kText) {
            body.add(as_text(family));
            return;
        }
        text.clear();
        openmetrics::write(text, family, began);
        body.add(text);
    });
    if (format == Format::kOpenMetrics) {
        text.clear();
        openmetrics::end(text);
        body.add(text);
    }
    return {format == Format::kText ? kTextType : openmetrics::kContentType, coding, body.finish()};
}

Page render(Exporter& exporter, Format format, Coding coding) {
    return render([&](const FamilySink& sink) { exporter.scrape(sink); }, format, coding);
}

}  // namespace bulkhead::runtime::agent
