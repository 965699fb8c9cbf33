// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/metrics/family.hpp"

namespace perf::monitor {

struct ExpositionLimits;

/// One line "name{labels} value": the part of ParseExposition that knows no families.
struct ExpositionSample {
  std::string_view name;
  metrics::Labels labels;  // as they stand, unescaped
  double value = 0;
};

/// Reads one such line into `sample`; gives what is wrong with it, or nullptr. Whatever follows the
/// value, a time stamp and an exemplar, is checked for its form and dropped.
const char* ReadSampleLine(std::string_view line, bool open_metrics, const ExpositionLimits& limits,
                           ExpositionSample& sample);
/// As Go prints and reads them: 1.5e3, +Inf, NaN; no locale has a say.
std::optional<double> ReadGoNumber(std::string_view text) noexcept;
bool IsMetricName(std::string_view name) noexcept;
/// \\ \n \" undone, as in help texts and label values.
std::string UnescapeText(std::string_view text);

}  // namespace perf::monitor
