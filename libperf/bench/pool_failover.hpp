// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `poolbench failover` provokes; see poolbench(1).
struct FailoverOptions {
  bool postgres = true;  // primary and replica
  bool redis = true;     // three servers and three Sentinels
  /// Of kill (the primary dies, another is promoted) and switch (another is promoted, the old
  /// primary comes back as its replica).
  std::vector<std::string> ways{"kill", "switch"};
  std::size_t conns = 16;
  Duration before = std::chrono::seconds(1);  // of writing until it happens
};

/// Another server becomes the primary while borrowers write.
/// Throws: UnreachableError where the servers cannot be started; UsageError for an unknown way.
PERF_EXPORT load::Result PoolFailover(const FailoverOptions& options, const Context& context);

}  // namespace perf::bench
