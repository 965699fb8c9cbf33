// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/load/threshold.hpp"

namespace perf::load {

/// What a threshold can be about.
enum class Metric {
  kLatency,      // trend: from the intended start
  kWait,         // trend
  kServiceTime,  // trend
  kScheduleLag,  // trend
  kFirstByte,    // trend: service time until the first byte of an HTTP reply
  kDuration,     // trend: whole iterations of a flow
  kRequests,     // counter
  kErrors,       // rate: failed of all requests; count: the failed ones
  kDropped,      // counter: arrivals that found no place to wait
  kIterations,   // counter
  kRate,         // gauge: arrivals processed per second
  // Of a cache:
  kHitRatio,    // ratio: look-ups that either tier answered
  kL1HitRatio,  // ratio: of all look-ups
  kL2HitRatio,  // ratio: of those that memory did not answer
  kLookups,     // counter
  kLoads,       // counter: requests to the sources
  kCoalesced,   // counter: look-ups that waited for another's load
  kStaleHits,   // counter: hits past their TTL
  // Of steps that play audio; a frame is what one period brings:
  kLate,        // trend: how late each frame was handled, whatever the buffer held
  kUnderruns,   // rate: of the frames due, those that were not there
  kOverPeriod,  // rate: of the frames due, those late by more than a period
  kRefused,     // rate: of the streams, those that the budget had no room for
  kStreams,     // counter
  kFrames,      // counter: frames due
};

/// A metric path of which every name is found: `[load-or-flow.][step.]metric`,
/// `caches.NAME.metric` or `audio.[load-or-flow.][step.]metric`.
struct MetricPath {
  Metric metric = Metric::kLatency;
  ErrorKind error = ErrorKind::kNone;  // of kErrors: of that kind only; kNone: of any
  std::optional<std::size_t> load;     // index into Scenario::loads
  std::optional<std::size_t> flow;     // index into Scenario::flows; set whenever `request` is
  std::optional<std::size_t> request;  // Step::request_id
  std::optional<std::size_t> cache;    // index into Scenario::caches; of a cache's metrics only
};

PERF_EXPORT MetricType TypeOf(Metric metric) noexcept;
/// Whether a name is that of a metric, which loads, flows and steps therefore cannot have.
PERF_EXPORT bool IsMetricName(std::string_view name) noexcept;

/// Why a path is none of the scenario.
struct MetricPathError {
  std::string message;
  std::string suggestion;
};

/// A name of a load is looked for before that of a flow; a step may stand without its flow where
/// only one flow has a step of that name. Nothing, and the reason in `error`, where a part is
/// unknown or does not have the metric.
/// Thread safety: a pure function.
PERF_EXPORT std::optional<MetricPath> ResolveMetric(const Scenario& scenario, std::string_view path,
                                                    MetricPathError& error);

}  // namespace perf::load
