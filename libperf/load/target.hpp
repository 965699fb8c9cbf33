// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "libperf/backends/connection_pool.hpp"
#include "libperf/backends/http.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// One target as one loop sees it: its connector and its share of the pool.
/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows the loop and the spec.
class PERF_EXPORT TargetRuntime {
 public:
  /// `url` is where the target really is (a private server's address instead of "private").
  /// `loop_index` of `loops` decides the share of the pool's limits: they add up to the spec's.
  /// `via_port`: of a fault proxy on 127.0.0.1 through which connections go; 0 for none.
  /// Throws: ConfigError for what the connector refuses.
  TargetRuntime(backends::EventLoop& loop, const TargetSpec& spec, const std::string& url,
                std::size_t loop_index, std::size_t loops, std::uint64_t seed,
                std::uint16_t via_port = 0);

  const TargetSpec& Spec() const noexcept { return spec_; }
  backends::ConnectionPool& Pool() noexcept { return *pool_; }
  const backends::ConnectionPool& Pool() const noexcept { return *pool_; }
  /// One dial (and, for curl, a real connection) within the deadline; says why not.
  Task<backends::Failure> Probe(Deadline deadline);

 private:
  void MakeConnector(backends::EventLoop& loop, const std::string& url, std::uint16_t via_port,
                     std::size_t most);
  backends::ConnectionPool::Dial MakeDial();
  Task<backends::Failure> Ping(Deadline deadline);

  const TargetSpec& spec_;
  std::unique_ptr<backends::HttpConnector> http_;
  std::unique_ptr<backends::PostgresConnector> postgres_;
  std::unique_ptr<backends::RedisConnector> redis_;
  std::unique_ptr<backends::ConnectionPool> pool_;
};

}  // namespace perf::load
