// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::service {

/// So many events at once for each key, then one each `interval` (GCRA, as in ATM's I.371). Keeps
/// at most `most_keys` keys that are not at rest; what comes beyond shares one.
/// Thread safety: all methods.
class PERF_EXPORT RateLimit {
 public:
  RateLimit(Duration interval, unsigned burst, std::size_t most_keys = 4096);
  /// Zero when the event may be; otherwise how long to wait for that, and nothing is counted.
  Duration Take(std::string_view key, TimePoint now);
  std::size_t Keys() const;

 private:
  TimePoint& Slot(std::string_view key, TimePoint now);

  const Duration interval_;
  const Duration burst_;
  const std::size_t most_keys_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, TimePoint> due_;  // when the key is at rest again
  TimePoint shared_{};
};

}  // namespace perf::service
