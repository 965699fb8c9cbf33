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

/// The verbs of poolbench that look at the pool alone, on connections that do nothing; see
/// poolbench(1) for what each shows. Thread safety: each blocks its caller and may use threads.

struct SpikeOptions {
  Duration connect = std::chrono::milliseconds(150);
  Duration query = std::chrono::milliseconds(2);
  std::size_t min = 5, max = 50, burst = 50;
  std::size_t dials = 10;  // at the same time
};
/// A burst of requests on a pool that is at its minimum.
PERF_EXPORT load::Result PoolSpike(const SpikeOptions& options, const Context& context);

struct LeakOptions {
  Duration hold = std::chrono::milliseconds(200);
  Duration threshold = std::chrono::milliseconds(100);
  Duration patience = std::chrono::seconds(5);  // for a report, after the hold
};
/// A connection that is held for too long is reported once, with its borrower's place.
PERF_EXPORT load::Result PoolLeak(const LeakOptions& options, const Context& context);

struct ExhaustOptions {
  std::vector<std::string> causes;  // empty: all
};
/// An acquire that fails says why, each cause by its own name.
/// Throws: UsageError for a cause that there is not.
PERF_EXPORT load::Result PoolExhaust(const ExhaustOptions& options, const Context& context);
PERF_EXPORT const std::vector<std::string>& ExhaustCauses();

struct PauseOptions {
  std::size_t threads = 8, pool = 4;
  Duration hold = std::chrono::milliseconds(2);
  Duration drain = std::chrono::seconds(5);
};
/// Pause waits for what is lent, nothing is lent until resume, and then everybody goes on.
PERF_EXPORT load::Result PoolPause(const PauseOptions& options, const Context& context);

/// A forked child is refused and leaves its parent's connections alone.
PERF_EXPORT load::Result PoolFork(const Context& context);

}  // namespace perf::bench
