// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/metrics/log_histogram.hpp"

namespace perf::metrics {

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram, kSummary };

/// "counter", "gauge", "histogram" or "summary".
PERF_EXPORT std::string_view Name(Type type) noexcept;

/// What a metric is called and means.
struct FamilySpec {
  std::string name;  // perfkit_… in base units; a counter's ends in _total
  std::string help;
  Type type = Type::kGauge;
  std::string unit;      // seconds, bytes, ratio …; the name ends in it (before _total); or empty
  bool foreign = false;  // somebody else's name (HikariCP's): only the syntax is held against it
};

using Labels = std::vector<std::pair<std::string, std::string>>;

/// One series of a family at one instant.
struct Sample {
  Labels labels;
  double value = 0;                            // of a counter or gauge; a summary's sum
  std::uint64_t count = 0;                     // of a summary
  std::optional<HistogramSnapshot> histogram;  // of a histogram
  std::optional<double> created;               // seconds since 1970; not of gauges
};

struct FamilySnapshot {
  FamilySpec spec;
  std::vector<Sample> samples;
};

/// Throws: Error that names the metric and the rule it breaks. The rules are those of the text
/// formats and, unless the name is foreign, what `promtool check metrics` asks for: prefix perfkit_
/// or process_, lower case, no colon, no abbreviated or scaled unit, no type's name, no suffix that
/// the formats reserve.
PERF_EXPORT void CheckSpec(const FamilySpec& spec);
/// Throws: Error for a label's name that is malformed, reserved (__…, le, quantile) or repeated.
PERF_EXPORT void CheckLabelNames(const FamilySpec& spec, const std::vector<std::string>& names);
/// A family's name without a counter's _total: no two families may share it.
PERF_EXPORT std::string_view BaseName(const FamilySpec& spec) noexcept;

}  // namespace perf::metrics
