// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "libperf/audio/memory_optimizer.hpp"
#include "libperf/backends/pool_manager.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/cache_manager.hpp"

namespace perf::service {

/// What a runtime shows and operates. Names of pools and of caches are unique in it.
/// Thread safety: as a const object. Lifetime: borrows all of it.
struct PERF_EXPORT Subjects {
  std::vector<backends::PoolManager*> pools;
  std::vector<cache::CacheManager*> caches;
  std::vector<audio::AudioMemoryOptimizer*> streams;

  /// {healthy, memory{rss_bytes, limit_bytes, high}, pools{NAME: …}, stale}, of all managers.
  Json Pools() const;
  /// {caches{NAME: …}}.
  Json Caches() const;
  /// {optimizers: [{streams, budget_bytes, …, by_stream: [{id, …}]}]}; at most 1,000 streams each.
  Json Audio() const;

  /// The manager that has that pool, or nullptr.
  backends::PoolManager* WithPool(const std::string& name) const;
  cache::Cache* WithCache(const std::string& name) const;
  std::vector<std::string> PoolNames() const;
  std::vector<std::string> CacheNames() const;
};

}  // namespace perf::service
