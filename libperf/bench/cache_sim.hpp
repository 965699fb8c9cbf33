// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/cache/trace.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What the rows of a simulation have to reach.
struct CacheRequirement {
  std::string text;    // as written
  std::string policy;  // empty: every one
  std::string than;    // of which policy, less `share`; empty: of `share` itself
  double share = 0;
};

/// "48%", "adaptive>=0.48", "adaptive>=lru-0.5%". Throws: UsageError.
PERF_EXPORT CacheRequirement ParseRequirement(const std::string& text);

/// What `cachebench sim` replays; see cachebench(1).
struct CacheSimOptions {
  std::vector<std::string> traces;
  cache::TraceOptions format;
  std::vector<std::string> policies;
  std::vector<std::uint64_t> sizes;
  bool bytes = false;
  unsigned threads = 0;  // 0: one a processor
  std::vector<CacheRequirement> requirements;
};

/// Replays each trace through each policy at each size. Thread safety: blocks its caller.
/// Throws: UsageError; ConfigError for bad traces.
PERF_EXPORT load::Result CacheSim(const CacheSimOptions& options, const Context& context);

}  // namespace perf::bench
