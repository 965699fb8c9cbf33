// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/history/history.hpp"
#include "libperf/monitor/history/layout.hpp"

namespace perf::monitor {

/// Adds the families perfkit_history_…; `copy` may be null.
void AddHistoryMetrics(const HistoryFigures& figures, const std::array<std::int64_t, kTiers>& cells,
                       const HistoryCopy* copy, metrics::Collection& collection);

}  // namespace perf::monitor
