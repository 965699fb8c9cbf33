// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "libperf/base/export.hpp"
#include "libperf/bench/audio_trial.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

struct AudioCapacityOptions {
  AudioTrialOptions trial;                           // but for the number of streams
  Duration late_p99 = std::chrono::milliseconds(5);  // that is allowed
  Duration length = std::chrono::seconds(3);         // of each trial
  Duration confirmation = std::chrono::seconds(10);  // of the last
  std::size_t from = 8000;                           // streams to begin with
  std::size_t most = 1'000'000;
  std::size_t required = 0;  // a check that so many are carried
};

/// Finds the largest number of streams of which nothing goes wrong and the 99th percentile of
/// lateness keeps below a limit: by doubling, then by halving what is left down to a twentieth,
/// then by a longer run that confirms it. Throws: UsageError, ConfigError.
PERF_EXPORT load::Result AudioCapacity(const AudioCapacityOptions& options, const Context& context);

}  // namespace perf::bench
