// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "libperf/base/export.hpp"
#include "libperf/cache/cache_options.hpp"
#include "libperf/config/environment.hpp"

namespace perf::cache {

/// What a CacheManager makes of its caches. A value.
struct PERF_EXPORT CacheConfig {
  std::uint64_t memory_max_size = 1000;         // CACHE_MEMORY_MAX_SIZE, entries; 0: no limit
  std::uint64_t memory_max_bytes = 50U << 20U;  // CACHE_MEMORY_MAX_BYTES; 0: no limit; both 0:
                                                // nothing is kept in memory
  double default_ttl_seconds = 300;             // CACHE_DEFAULT_TTL, above 0, to 10 years
  double ttl_jitter = 0;                        // CACHE_TTL_JITTER, share of the TTL, 0 to 1
  double stale_seconds = 0;                     // CACHE_STALE_SECONDS: stale-while-revalidate
  double fail_safe_seconds = 0;                 // CACHE_FAIL_SAFE_SECONDS: for a failed load
  std::string policy = "adaptive";              // CACHE_POLICY: see PolicyKinds()
  bool redis_enabled = true;                 // CACHE_REDIS_ENABLED: whether there is a second tier
  double redis_soft_timeout_seconds = 0.02;  // CACHE_REDIS_SOFT_TIMEOUT
  double redis_hard_timeout_seconds = 0.25;  // CACHE_REDIS_HARD_TIMEOUT
  bool compression_enabled = true;           // CACHE_COMPRESSION_ENABLED: in the second tier
  std::string compression_codec = "zstd";    // CACHE_COMPRESSION_CODEC: lz4 or zstd
  std::uint64_t compression_threshold_bytes = 1024;  // CACHE_COMPRESSION_THRESHOLD

  /// The defaults, with what the environment says instead.
  /// Throws: ConfigError that names the variable and what it may be, never the value.
  static CacheConfig FromEnvironment(
      const config::Environment& environment = config::Environment());

  /// The options of one cache of that name. Throws: ConfigError as Validate.
  CacheOptions OptionsFor(std::string name) const;
};

/// Throws: ConfigError for what cannot work.
PERF_EXPORT void Validate(const CacheConfig& config);

}  // namespace perf::cache
