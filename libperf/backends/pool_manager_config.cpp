// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pool_manager_config.hpp"

#include <type_traits>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

constexpr config::Range<std::int64_t> kSizes{1, 10'000};
constexpr config::Range<std::int64_t> kMinimum{0, 10'000};
constexpr config::Range<std::int64_t> kMebibytes{0, std::int64_t{1} << 30};

bool Within(std::size_t size) noexcept {
  return size >= static_cast<std::size_t>(kSizes.min) &&
         size <= static_cast<std::size_t>(kSizes.max);
}

}  // namespace

ConnectionPoolConfig ConnectionPoolConfig::FromEnvironment(const config::Environment& environment) {
  ConnectionPoolConfig config;
  const auto read = [&](const char* name, auto& value, config::Range<std::int64_t> range) {
    if (const auto number = environment.Integer(name, range)) {
      value = static_cast<std::remove_reference_t<decltype(value)>>(*number);
    }
  };
  read("DB_POOL_MIN_SIZE", config.db_min_size, kMinimum);
  read("DB_POOL_MAX_SIZE", config.db_max_size, kSizes);
  read("REDIS_POOL_MAX_CONNECTIONS", config.redis_max_connections, kSizes);
  read("HTTP_POOL_MAX_CONNECTIONS", config.http_max_connections, kSizes);
  read("MAX_MEMORY_MB", config.max_memory_mb, kMebibytes);
  if (config.db_min_size > config.db_max_size) {
    throw ConfigError("DB_POOL_MIN_SIZE must not exceed DB_POOL_MAX_SIZE");
  }
  return config;
}

void Validate(const ConnectionPoolConfig& config) {
  const auto require = [](bool good, const char* what) {
    if (!good) throw ConfigError(what);
  };
  const Duration zero{};
  require(Within(config.db_max_size), "db_max_size must be 1 to 10000");
  require(config.db_min_size <= config.db_max_size, "db_min_size must not exceed db_max_size");
  require(Within(config.redis_max_connections), "redis_max_connections must be 1 to 10000");
  require(Within(config.http_max_connections), "http_max_connections must be 1 to 10000");
  require(
      config.acquire_timeout > zero && config.connect_timeout > zero && config.check_timeout > zero,
      "the timeouts of connection pools must be positive");
  require(config.check_interval >= std::chrono::milliseconds(10),
          "check_interval must be at least 10ms");
}

}  // namespace perf::backends
