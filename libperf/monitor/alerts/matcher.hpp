// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/metrics/family.hpp"

namespace perf::monitor::alerts {

using metrics::Labels;

/// A label that has, or has not, a value. As in PromQL a label that is absent counts as "".
struct Matcher {
  std::string label;
  std::string value;
  bool equal = true;
  friend bool operator==(const Matcher&, const Matcher&) = default;
};

/// The value of a label; "" where there is none.
PERF_EXPORT std::string_view ValueOf(const Labels& labels, std::string_view name) noexcept;
/// Whether all of them hold.
PERF_EXPORT bool Matches(const std::vector<Matcher>& matchers, const Labels& labels) noexcept;
/// `name="value"`, `name!="value"`; quotes may be left out: what a person types for a silence.
/// Throws: ConfigError that says what is expected.
PERF_EXPORT Matcher ParseMatcher(std::string_view text);
/// `name="value"` with the escapes of PromQL.
PERF_EXPORT std::string ToText(const Matcher& matcher);
/// `{a="x", b="y"}`, or "" without labels.
PERF_EXPORT std::string ToText(const Labels& labels);

}  // namespace perf::monitor::alerts
