// What a scraper asks for by its request's headers (RFC 9110).
#pragma once

#include <string_view>

namespace bulkhead::runtime::agent {

// By the header Accept: OpenMetrics 1.0.0 where the scraper likes it at least as much as the older
// text format, which is for whoever says nothing.
bool wants_openmetrics(std::string_view accept);

// By the header Accept-Encoding.
bool takes_gzip(std::string_view accept_encoding);

}  // namespace bulkhead::runtime::agent
