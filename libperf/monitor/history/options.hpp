// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::monitor {

/// What is kept, for how long, and where.
struct HistoryOptions {
  std::string path;  // of the database; its folder is made (0700) where there is none
  /// Steps of the first tier, at least 1 s: PERF_SYSTEM_INTERVAL and PERF_APP_INTERVAL.
  std::chrono::seconds system_step{30};
  std::chrono::seconds app_step{60};
  /// How long each tier is kept. A tier that is not coarser than the first is left out; the first
  /// is then kept as long as that one would have been.
  std::chrono::seconds keep_first = std::chrono::hours(24);
  std::chrono::seconds keep_minutes = std::chrono::hours(24 * 7);
  std::chrono::seconds keep_quarters = std::chrono::hours(24 * 90);
  /// Of the database file. Above it the oldest data go, whatever their age; runs never do.
  std::uint64_t max_bytes = std::uint64_t{512} << 20;
  std::size_t max_series = 500;
  /// What is kept, first come first served: each a shell pattern of the metric's name, optionally
  /// followed by labels that must stand in the series: `perfkit_pool_*`,
  /// `perfkit_cache_requests_total{cache="tts"}`.
  std::vector<std::string> patterns = {"perfkit_*", "process_*"};
  /// Patterns of what is sampled at system_step; all else is at app_step.
  std::vector<std::string> system_patterns = {"perfkit_system_*", "perfkit_process_*", "process_*"};
  /// Snapshots that may wait for the disk; what is more is dropped, counted.
  std::size_t queue = 64;
};

/// "$XDG_STATE_HOME/perfkit/history.db", with $HOME/.local/state where that is not set.
/// Throws: Error where neither is set.
PERF_EXPORT std::string DefaultHistoryPath();

}  // namespace perf::monitor
