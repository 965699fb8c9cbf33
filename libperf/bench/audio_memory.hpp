// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "libperf/audio/cold_codec.hpp"
#include "libperf/base/export.hpp"
#include "libperf/bench/audio_trial.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

struct AudioMemoryOptions {
  AudioTrialOptions trial;  // its fill: what waits in each stream; default the whole buffer
  std::size_t from = 1000, to = 10'000;      // streams between which the slope is taken
  Duration burst = std::chrono::seconds(7);  // speech that comes at once; 0: none
  std::size_t burst_from = 20, burst_to = 120;
  audio::ColdKind cold = audio::ColdKind::kFlac;  // of a burst's backlog
  double required = 0;  // share of the naive design's bytes that is saved at least, steady
};

/// What a stream takes, by the slope of resident memory over the number of streams, beside one
/// std::vector for each stream that packets are appended to and erased from: the same packets, the
/// same backlog, each in a process of its own. Throws: UsageError, ConfigError.
PERF_EXPORT load::Result AudioMemory(const AudioMemoryOptions& options, const Context& context);

}  // namespace perf::bench
