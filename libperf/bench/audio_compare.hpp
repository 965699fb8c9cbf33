// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/bench/audio_trial.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

/// "mutex", "spsc", "slots", "mirror".
PERF_EXPORT const std::vector<std::string>& AudioImpls();

struct AudioCompareOptions {
  AudioTrialOptions trial;
  std::vector<std::string> impls = AudioImpls();
  std::size_t rounds = 3;                      // in turns
  Duration length = std::chrono::seconds(10);  // of virtual time, each
};

/// The same packets through different buffers, both ends in turn on one thread, in virtual time:
/// what a packet costs, and what a stream takes. Each in a process of its own. Throws: UsageError.
PERF_EXPORT load::Result AudioCompare(const AudioCompareOptions& options, const Context& context);

}  // namespace perf::bench
