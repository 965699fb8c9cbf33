// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/cache/trace.hpp"

namespace perf::cache {

/// One cell of a simulation.
struct SimCell {
  /// A name of PolicyKinds, or "opt" or "optb" (Belady's MIN; optb may leave an object out).
  std::string policy = {};
  /// Entries, or bytes where `bytes`.
  std::uint64_t size = 0;
  bool bytes = false;
  std::uint64_t seed = 1;
};

/// Counts of gets; sets and deletes change the cache and are not counted.
struct SimRow {
  SimCell cell;
  std::uint64_t requests = 0;
  std::uint64_t hits = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_hit = 0;
  std::uint64_t evictions = 0;
  /// Gets of objects heavier than the whole cache.
  std::uint64_t refused = 0;
  /// CPU time of the simulation alone, without reading and decoding.
  double cpu_seconds = 0;
  /// What the policy had allocated at the end.
  std::uint64_t metadata_bytes = 0;

  /// 0 where there were no requests.
  double HitRatio() const noexcept;
  double ByteHitRatio() const noexcept;
};

/// A read-through cache of one online policy without values, fed with requests as they come (from a
/// trace or from a live sample); memory is O(size), or O(distinct keys) for those whose
/// PolicyKind says that they are not online. Thread safety: none.
class PERF_EXPORT Simulator {
 public:
  Simulator() = default;
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;
  virtual ~Simulator();
  virtual void Feed(std::span<const Request> requests) = 0;
  virtual SimRow Row() const = 0;
};

/// Throws: ConfigError for an unknown policy, a size of 0, one of opt and optb.
PERF_EXPORT std::unique_ptr<Simulator> MakeSimulator(const SimCell& cell);

/// True for opt and optb, which read the trace twice and keep it in memory.
PERF_EXPORT bool NeedsFuture(std::string_view policy) noexcept;
/// Every name that a SimCell may have, for help and completion.
PERF_EXPORT std::vector<std::string_view> SimPolicies();

/// Opens the same trace each time it is called (opt reads it twice).
using TraceOpener = std::function<std::unique_ptr<TraceReader>()>;
/// For a file; where it is standard input ("-") the second call throws ConfigError, which says that
/// a file is needed.
PERF_EXPORT TraceOpener OpenerOf(std::string path, TraceOptions options);

struct SimOptions {
  std::vector<SimCell> cells = {};
  /// Told to people before the work starts: what was guessed of the format, what opt will need.
  std::function<void(const std::string&)> say = {};
  /// Asked after each batch of requests with how many were read; false ends the replay early, and
  /// the rows count what was read until then. May be empty.
  std::function<bool(std::uint64_t requests)> go_on = {};
  /// Bytes that opt, optb and plfu may take; 0 is three quarters of what the machine has available.
  std::uint64_t memory_limit = 0;
  /// Threads among which the cells are divided; 0 is one a processor.
  unsigned threads = 1;
};

/// Replays a trace through all cells in one pass (one more for opt and optb); rows in the order of
/// the cells. Throws: ConfigError of the reader or a cell; where a cell would need more than
/// memory_limit, with both figures, before it starts.
PERF_EXPORT std::vector<SimRow> Simulate(const TraceOpener& open, const SimOptions& options);

}  // namespace perf::cache
