// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/metrics/family.hpp"
#include "libperf/monitor/history/cell.hpp"

namespace perf::monitor {

/// One cell of the first tier that was written.
struct WrittenCell {
  std::string metric;
  metrics::Labels labels;
  metrics::Type type = metrics::Type::kGauge;
  bool system = false;  // at which of the two steps
  std::int64_t start = 0;
  Cell cell;
};

/// Who else is told what the history wrote.
/// Thread safety: called from the history's writer thread only; must not wait.
class PERF_EXPORT HistoryCopy {
 public:
  virtual ~HistoryCopy();
  virtual void Written(const std::vector<WrittenCell>& cells) noexcept = 0;
  /// Cells that were not copied so far.
  virtual std::uint64_t Lost() const noexcept = 0;
};

}  // namespace perf::monitor
