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

/// What `cachebench mrc` draws; see cachebench(1).
struct CacheMrcOptions {
  std::string trace = "-";
  cache::TraceOptions format;
  std::vector<std::string> policies;
  std::vector<std::uint64_t> sizes;  // empty: `points` of them
  unsigned points = 20;
  bool bytes = false;
  bool exact = true;
  bool sampled = false;
  std::uint64_t sample = 8192;  // keys that are followed
  unsigned threads = 0;         // 0: one a processor
};

/// The miss ratio of each policy over sizes of the cache. With both ways each sampled row tells how
/// far it lies from the exact one. Thread safety: blocks its caller.
/// Throws: UsageError; ConfigError for bad traces.
PERF_EXPORT load::Result CacheMrc(const CacheMrcOptions& options, const Context& context);

}  // namespace perf::bench
