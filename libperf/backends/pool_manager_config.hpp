// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/environment.hpp"

namespace perf::backends {

/// What a PoolManager makes of its pools.
struct ConnectionPoolConfig {
  std::size_t db_min_size = 5;             // DB_POOL_MIN_SIZE
  std::size_t db_max_size = 20;            // DB_POOL_MAX_SIZE, 1 to 10,000
  std::size_t redis_max_connections = 25;  // REDIS_POOL_MAX_CONNECTIONS, 1 to 10,000
  std::size_t http_max_connections = 100;  // HTTP_POOL_MAX_CONNECTIONS, 1 to 10,000
  std::uint64_t max_memory_mb = 512;       // MAX_MEMORY_MB, in MiB; 0: no limit
  Duration acquire_timeout = std::chrono::seconds(5);
  Duration connect_timeout = std::chrono::seconds(3);
  Duration check_interval = std::chrono::seconds(1);  // between two looks at health and memory
  Duration check_timeout = std::chrono::seconds(2);   // of one question, once a connection is there
  /// Whether Start fails when a target cannot be reached; otherwise that pool starts unhealthy.
  bool require_reachable = true;

  /// The defaults, with what the environment says instead.
  /// Throws: ConfigError that names the variable, or both where the minimum exceeds the maximum.
  static PERF_EXPORT ConnectionPoolConfig
  FromEnvironment(const config::Environment& environment = config::Environment());
};

/// Throws: ConfigError for what cannot work.
PERF_EXPORT void Validate(const ConnectionPoolConfig& config);

}  // namespace perf::backends
