// What rendering a scrape costs.
#pragma once

#include "bench/figures.h"

namespace bulkhead::bench {

// Adds "render.openmetrics" and "render.text": of a thousand environments, all of whose numbers are
// long, without compression and without reading them.
void measure_rendering(Figures& figures);

}  // namespace bulkhead::bench
