// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/base/export.hpp"
#include "libperf/bench/audio_trial.hpp"
#include "libperf/bench/context.hpp"
#include "libperf/load/result.hpp"

namespace perf::bench {

class Findings;

struct AudioRunOptions {
  AudioTrialOptions trial;
  Duration duration = std::chrono::seconds(60);
  double hours = 0;  // of virtual time, as fast as it goes; 0: in real time for `duration`
  double close = 0;  // this share of the streams at the end, while the others go on
};

/// Drives streams in real time (a null lane first, which shows what the tool itself does) or in
/// virtual time, and finds what came late, was not there, lost, torn or leaked.
/// Throws: UsageError, ConfigError.
PERF_EXPORT load::Result AudioRun(const AudioRunOptions& options, const Context& context);

/// Whether its pacers starved for over a hundredth of the time.
bool Starved(const RigFigures& figures) noexcept;
/// Says in `findings` where a run cannot be trusted because its pacers starved.
void JudgeStarved(const RigFigures& figures, Findings& findings);
/// What must not happen in a run.
void JudgeAudio(const load::AudioResult& audio, Findings& findings);

}  // namespace perf::bench
