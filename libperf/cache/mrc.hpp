// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/cache/sim.hpp"
#include "libperf/cache/trace.hpp"

namespace perf::cache {

struct MrcPoint {
  /// Entries, or bytes.
  std::uint64_t size = 0;
  double miss_ratio = 1;
};

/// Miss ratio over cache size.
struct MissRatioCurve {
  std::string policy = {};
  /// "stack distances", "simulation", "SHARDS" or "miniature simulation".
  std::string method;
  std::uint64_t requests = 0;
  /// Of requests that were looked at; 1 where the curve is exact.
  double sampled = 1;
  std::vector<MrcPoint> points;
};

/// Exact LRU miss ratios of all sizes at once: reuse (stack) distances by Mattson et al. (1970),
/// counted with a Fenwick tree over the last access times that is renumbered when full. Memory:
/// about 64 bytes a distinct key. Thread safety: none.
class PERF_EXPORT StackDistances {
 public:
  StackDistances();
  ~StackDistances();
  StackDistances(const StackDistances&) = delete;
  StackDistances& operator=(const StackDistances&) = delete;

  /// How many distinct others were used since the last use of `id` (0: it was the last one);
  /// UINT64_MAX the first time.
  std::uint64_t Add(std::uint64_t id);
  /// Exact hits of an LRU cache of so many entries.
  std::uint64_t Hits(std::uint64_t entries) const noexcept;
  std::uint64_t Requests() const noexcept;
  std::uint64_t Distinct() const noexcept;
  std::uint64_t MemoryBytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// LRU miss ratios from a sample of keys of fixed size: SHARDS with s_max and its adjustment
/// (Waldspurger, Park, Garthwaite and Ahmad: Efficient MRC Construction with SHARDS, FAST 2015).
/// Memory is O(sample), whatever the trace. Thread safety: none.
class PERF_EXPORT Shards {
 public:
  /// `sample` keys are followed at most (8192 keeps the error near 0.01, for
  /// caches that hold at least a few hundred of them).
  explicit Shards(std::uint64_t sample, std::uint64_t seed = 1);
  ~Shards();
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  void Add(std::uint64_t id);
  double MissRatio(std::uint64_t entries) const noexcept;
  std::uint64_t Requests() const noexcept;
  /// The rate at which keys are sampled now; falls from 1.
  double Rate() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct MrcOptions {
  std::vector<std::string> policies = {"lru"};
  /// Empty: `points` sizes, evenly spaced by their logarithm from 1/1000 of the distinct keys (at
  /// least 10) to all of them (of bytes: of their sum).
  std::vector<std::uint64_t> sizes = {};
  unsigned points = 20;
  bool bytes = false;
  /// 0: exact (lru by stack distances, the others by simulation of each size). Otherwise keys of
  /// the sample: lru by SHARDS, the others by simulating caches scaled down on the sampled keys
  /// (miniature simulation: Waldspurger, Saemundsson, Ahmad and Park, USENIX ATC 2017).
  std::uint64_t sample = 0;
  std::uint64_t seed = 1;
  std::function<void(const std::string&)> say = {};
  std::function<bool(std::uint64_t requests)> go_on = {};
  std::uint64_t memory_limit = 0;
  unsigned threads = 1;
};

/// One curve for each policy, in their order. Reads the trace twice where sizes are not given, or
/// exact (the first pass only counts), and a third time for opt. Throws: as Simulate.
PERF_EXPORT std::vector<MissRatioCurve> MissRatioCurves(const TraceOpener& open,
                                                        const MrcOptions& options);

}  // namespace perf::cache
