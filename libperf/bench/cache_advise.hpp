// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/cache/trace.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench advise` looks for; see cachebench(1).
struct CacheAdviseOptions {
  std::string trace = "-";
  cache::TraceOptions format;
  std::vector<std::string> policies;
  double hit_ratio = 0.8;
  std::uint64_t max_size = 0;  // 0: as large as the trace asks for
  bool bytes = false;          // sizes in bytes, as the trace tells them
  /// Of key and value of one entry, where the trace does not tell; 0: not known.
  std::uint64_t entry_bytes = 0;
  unsigned threads = 0;
};

/// The smallest cache of each policy that reaches the wanted hit ratio: looked for among sizes on a
/// sample of the keys, then by simulation of the whole trace. Thread safety: blocks its caller.
/// Throws: UsageError; ConfigError for bad traces.
PERF_EXPORT load::Result CacheAdvise(const CacheAdviseOptions& options, const Context& context);

/// The lines that set the recommended cache, for a shell or an environment file; empty where the
/// result recommends nothing.
PERF_EXPORT std::string CacheLines(const load::Result& result);

/// One size that was tried, and the hit ratio there.
struct TriedSize {
  std::uint64_t size = 0;
  double hit_ratio = 0;
};
/// Up to `count` sizes between which the smallest size with at least `wanted` is still to be
/// looked for; empty when it is known to within one part in a hundred, or there is none up to
/// `most`. Pure. `tried` in any order.
PERF_EXPORT std::vector<std::uint64_t> NextSizes(const std::vector<TriedSize>& tried, double wanted,
                                                 std::uint64_t most, std::size_t count);

}  // namespace perf::bench
