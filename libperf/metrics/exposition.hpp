// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::metrics {

enum class Format : std::uint8_t { kPrometheus, kOpenMetrics };

struct ExpositionOptions {
  Format format = Format::kPrometheus;  // text 0.0.4, or OpenMetrics 1.0
  bool created = false;                 // OpenMetrics: _created samples of counters and histograms
  bool all_buckets = false;             // ten a decade instead of the bounds 1, 2 and 5
};

/// The text that a scraper reads. Label values and help are escaped as the format says; bytes that
/// are not UTF-8 (and NUL, which parsers take for the end) become U+FFFD. Bounds (`le`) are written
/// as OpenMetrics' canonical numbers ("0.001", "1.0", "1e+06") in both formats, so that a series
/// does not change its name with the format. No locale has a say.
/// Thread safety: a pure function.
PERF_EXPORT std::string Expose(const MetricsSnapshot& snapshot,
                               const ExpositionOptions& options = {});

/// For the header Content-Type; Prometheus 3 refuses a scrape without it.
PERF_EXPORT std::string_view ContentType(Format format) noexcept;
/// What an Accept header asks for: OpenMetrics where it is named with a quality not below that of
/// text/plain; otherwise the text format, which everybody reads.
PERF_EXPORT Format Negotiate(std::string_view accept) noexcept;

/// Go's shortest %g with ".0" where nothing else tells it from an integer.
PERF_EXPORT std::string CanonicalNumber(double value);

}  // namespace perf::metrics
