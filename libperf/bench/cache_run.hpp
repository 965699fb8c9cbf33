// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/cache_workload.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// What `cachebench run` measures; see cachebench(1).
struct CacheRunOptions {
  /// Names of policies, each in a memory tier of its own, and `mutex-lru`, a textbook LRU in 64
  /// shards with a mutex each.
  std::vector<std::string> subjects{"sieve", "adaptive", "lru", "mutex-lru"};
  std::vector<std::size_t> threads{1, 2, 4, 8};
  CacheWorkloadOptions workload;
  std::uint64_t capacity = 100'000;  // entries; 0: only max_bytes
  std::uint64_t max_bytes = 0;       // keys, values and overhead; 0: only capacity
  unsigned shards = 0;               // of the memory tier; 0: its own choice
  Duration ttl = Duration::max();
  Duration warmup = std::chrono::seconds(2);  // of each subject at each number of threads
  Duration length = std::chrono::seconds(2);  // of each repeat
  std::size_t repeats = 3;                    // in turns, subject after subject
  /// Not 0: ends after about so many operations a repeat, too (and as many to warm up).
  std::uint64_t operations = 0;
  /// Every subject but mutex-lru must reach so many times its operations per second of processor
  /// time; 0: no check.
  double at_least = 0;
};

/// Gets, puts and removes on many threads; one row a subject and number of threads: operations per
/// second and per second of processor time (median and spread of the repeats), latencies of single
/// gets, hit ratio by requests and by bytes. Each value says to which key it belongs, and is
/// checked. Thread safety: blocks its caller.
/// Throws: UsageError for unknown subjects or numbers out of range.
PERF_EXPORT load::Result CacheRun(const CacheRunOptions& options, const Context& context);

}  // namespace perf::bench
