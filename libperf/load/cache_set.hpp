// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// The caches of one run, which all its loops share, with their second tiers.
/// Thread safety: as of cache::Cache. Lifetime: borrows the scenario; goes after the loops that use
/// it have ended.
class PERF_EXPORT CacheSet {
 public:
  /// `urls` and `via_ports` by target, as of TargetRuntime. Throws: ConfigError.
  CacheSet(const Scenario& scenario, const std::vector<std::string>& urls,
           const std::vector<std::uint16_t>& via_ports);
  ~CacheSet();
  CacheSet(const CacheSet&) = delete;
  CacheSet& operator=(const CacheSet&) = delete;

  /// Until all second tiers can be asked and hear of what others write, or the deadline.
  /// The names of the caches whose tier is not there yet.
  std::vector<std::string> WaitReady(Deadline deadline) const;
  cache::Cache& At(std::size_t index) noexcept { return *caches_[index]; }
  const cache::Cache& At(std::size_t index) const noexcept { return *caches_[index]; }
  std::size_t Size() const noexcept { return caches_.size(); }

 private:
  std::vector<std::unique_ptr<cache::Cache>> caches_;
};

}  // namespace perf::load
