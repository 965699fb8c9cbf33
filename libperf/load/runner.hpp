// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// What can be shown while a run goes on; figures of the last whole second unless they say total.
struct Progress {
  double elapsed_s = 0;
  double planned_s = 0;  // 0: not known
  SeriesPoint second;
  std::uint64_t total_requests = 0;
  std::uint64_t total_failed = 0;
  std::uint64_t total_dropped = 0;
};

struct RunOptions {
  std::size_t threads = 1;
  std::string tool = "perfctl run";
  /// Called once a second on the thread that called Run; must not block.
  std::function<void(const Progress&)> on_progress;
  /// What is being done before the load starts ("starting private servers"); may be empty.
  std::function<void(const std::string&)> on_phase;
  /// Set from outside (a signal handler): the run ends early, with what it has.
  const std::atomic<bool>* stop = nullptr;
};

/// Runs a scenario: starts private servers, looks at every target, sets up, loads, judges, tears
/// down, stops the servers. Blocks; `on_progress` and `stop` are how one takes part.
/// Thread safety: one run at a time per process, started while the process has no other threads
/// when it needs private servers (they are forked).
/// Throws: UnreachableError when a target is not there (within 3 s); ConfigError when the setup
/// is refused by a target.
PERF_EXPORT Result Run(const Scenario& scenario, const RunOptions& options);

}  // namespace perf::load
