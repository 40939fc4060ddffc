// The body of /metrics in the form that a scraper asks for.
#pragma once

#include <string>
#include <string_view>

#include "runtime/exporter.h"

namespace bulkhead::runtime::agent {

using runtime::Format;
enum class Coding { kPlain, kGzip };

struct Page {
    std::string_view content_type;
    Coding coding;
    std::string body;
};

Page render(Exporter& exporter, Format format, Coding coding);

// The same of text from anywhere: feed(sink) hands it over, family by family.
Page render(const std::function<void(const TextSink&)>& feed, Format format, Coding coding);

}  // namespace bulkhead::runtime::agent
