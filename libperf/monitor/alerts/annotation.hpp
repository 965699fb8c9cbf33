// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libperf/monitor/alerts/matcher.hpp"

namespace perf::monitor::alerts {

/// What is wrong with a template, or nothing.
std::optional<std::string> CheckTemplate(std::string_view text);
/// {{ $labels.NAME }} becomes the label's value, {{ $value }} `value`.
std::string Expand(std::string_view text, const Labels& labels, std::string_view value);

}  // namespace perf::monitor::alerts
