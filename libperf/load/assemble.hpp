// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/load/engine.hpp"
#include "libperf/load/recorder.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// When what counts for the verdict happened, from the run's start: from the end of the earliest
/// warm-up to the last planned end, or to where the run ended before it.
struct MeasuredSpan {
  Duration from{};
  Duration to{};
  Duration Length() const noexcept { return to > from ? to - from : Duration::zero(); }
};
MeasuredSpan SpanOf(const Scenario& scenario, Duration elapsed);

/// Intended arrivals of all open loads within [from, to) of the run's clock; warm-ups left out.
double PlannedArrivals(const Scenario& scenario, Duration from, Duration to);

/// Fills in sections, histograms, failures and rates from what was recorded.
void AssembleSections(const Scenario& scenario, const Interval& totals, const MeasuredSpan& span,
                      Result& result);
/// The pools, summed up over the loops.
void AssemblePools(const Scenario& scenario, const std::vector<std::unique_ptr<Engine>>& engines,
                   Result& result);
/// The caches: what the steps saw of them, and what they count themselves.
void AssembleCaches(const Scenario& scenario, const Interval& totals, const CacheSet& caches,
                    Result& result);
/// What the play steps did, and how the pacers fared, which have been stopped.
void AssembleAudio(const Interval& totals, const AudioSet& audio, Result& result);
/// One point of the series.
SeriesPoint PointOf(const Scenario& scenario, const Interval& second);

}  // namespace perf::load
