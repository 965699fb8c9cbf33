// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/cache.hpp"
#include "libperf/cache/cache_config.hpp"
#include "libperf/cache/cache_metrics.hpp"
#include "libperf/cache/typed_cache.hpp"
#include "libperf/metrics/cells.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::cache {

/// Named caches of one process that share their background threads, and their metrics.
///
/// Second tiers come from a factory, for this module talks to no server: see
/// backends::RedisTierFactory.
/// Thread safety: Add from one thread, before any other call; the rest from any thread.
/// Lifetime: outlives what uses its caches.
class PERF_EXPORT CacheManager {
 public:
  /// The second tier of the cache of that name; nullptr for none. Throws what it likes.
  using TierFactory = std::function<std::shared_ptr<SecondTier>(const std::string& name)>;

  /// The factory is asked only where `config.redis_enabled`. Throws: ConfigError.
  explicit CacheManager(CacheConfig config = {}, TierFactory tiers = {});
  ~CacheManager();
  CacheManager(const CacheManager&) = delete;
  CacheManager& operator=(const CacheManager&) = delete;

  const CacheConfig& Config() const noexcept;
  /// A cache made as the configuration says. Throws: ConfigError for a bad name (a letter or '_',
  /// then letters, digits, '_' and '-', at most 64) or one that is taken; what the factory throws.
  Cache& Add(const std::string& name);
  /// The same with other options; their name decides. The configuration's `upkeep` is put in where
  /// there is none.
  Cache& Add(CacheOptions options);

  /// Throws: Error for an unknown name.
  Cache& Get(std::string_view name);
  /// nullptr for an unknown name.
  Cache* Find(std::string_view name) noexcept;
  std::vector<std::string> Names() const;
  /// A front for values of type T whose undecodable values count in this cache's metrics.
  /// Throws: Error for an unknown name.
  template <typename T, typename Codec = ValueCodec<T>>
  TypedCache<T, Codec> Typed(std::string_view name, Codec codec = {}) {
    return TypedCache<T, Codec>(Get(name), std::move(codec), &Undecodable(name));
  }

  CacheFigures Figures(std::string_view name) const;
  /// {NAME: {policy, max_entries, max_bytes, entries, bytes, hit_ratio (null without look-ups),
  /// l1{…}, l2{…} or null, loads{…}, evictions{…}}}.
  Json Snapshot() const;
  /// One collector a cache; the registrations go before the manager.
  [[nodiscard]] std::vector<metrics::Registry::Registration> RegisterMetrics(
      metrics::Registry& registry);

 private:
  struct Managed;
  struct State;
  Managed& Known(std::string_view name) const;
  metrics::Counter& Undecodable(std::string_view name) const;
  std::unique_ptr<State> state_;
};

}  // namespace perf::cache
