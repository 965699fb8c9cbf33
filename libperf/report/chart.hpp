// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::report {

/// Shares (0 to 1) over sizes, as a miss-ratio curve is.
struct Chart {
  struct Curve {
    std::string name;
    std::vector<std::pair<double, double>> points;  // in rising order of the first
  };
  std::string title, x_name, y_name;
  std::vector<Curve> curves;
};

/// For a terminal, `width` by `height` characters and a legend below; x runs by doubling. Each
/// curve has a mark of its own; where several lie in one place their marks take turns. Empty where
/// there are no points.
PERF_EXPORT std::string ChartText(const Chart& chart, std::size_t width = 72,
                                  std::size_t height = 17);

/// A whole SVG document, readable on light and dark pages; curves differ by colour and by dashes.
PERF_EXPORT std::string ChartSvg(const Chart& chart);

}  // namespace perf::report
