// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/cache_stats.hpp"
#include "libperf/load/recorder.hpp"

namespace perf::load {

/// One cache of a run, as perfkit-result(5) has it. A value.
struct PERF_EXPORT CacheResult {
  std::string name;
  std::string policy;
  std::string redis;  // the target of its second tier; empty without one
  std::uint64_t max_entries = 0;
  std::uint64_t max_bytes = 0;
  CacheRecord seen;         // by the steps, warm-up left out
  cache::CacheStats stats;  // of the cache itself, over the whole run

  /// Shares of look-ups; nothing without any. L2's is of those that memory did not answer.
  std::optional<double> HitRatio() const noexcept;
  std::optional<double> L1HitRatio() const noexcept;
  std::optional<double> L2HitRatio() const noexcept;
  Json ToJson() const;
};

}  // namespace perf::load
