// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/audio_result.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/stats/histogram.hpp"

namespace perf::load {

/// The four clocks of the contract, in µs: latency = schedule_lag + wait + service_time.
struct Clocks {
  stats::Histogram latency;
  stats::Histogram wait;
  stats::Histogram service_time;  // only of what was sent
  stats::Histogram schedule_lag;
  void Merge(const Clocks& other);
  void Reset();
};

/// One request that ended, however it ended.
struct RequestOutcome {
  TimePoint intended{};  // when it should have begun
  TimePoint began{};     // when the loop got to it
  TimePoint acquired{};  // when a connection was there
  backends::Timing timing;
  ErrorKind error = ErrorKind::kNone;
  std::uint64_t count = 1;  // more than one for a pipeline
};

/// What a step that plays audio did; a frame is what one period brings.
struct PlayRecord {
  stats::Histogram late;  // µs, of the pacer to each frame
  std::uint64_t streams = 0;
  std::uint64_t refused = 0;  // streams, for want of budget
  std::uint64_t frames = 0;   // that were due
  std::uint64_t over_period = 0;
  AudioXruns underruns;
  AudioXruns overruns;
  void Merge(const PlayRecord& other);
  void Reset();
};

/// What one step of one load did.
struct RequestRecord {
  Clocks clocks;
  stats::Histogram first_byte;  // from the send; HTTP only
  PlayRecord play;
  std::uint64_t total = 0;
  std::array<std::uint64_t, kErrorKinds> errors{};  // [0] counts the successes
  std::uint64_t Failed() const noexcept { return total - errors[0]; }
  void Add(const RequestOutcome& outcome);
  void Merge(const RequestRecord& other);
  void Reset();
};

/// What one load did.
struct LoadRecord {
  stats::Histogram duration;  // µs from an iteration's intended start to its end
  std::uint64_t iterations = 0;
  std::uint64_t failed_iterations = 0;
  std::uint64_t intended = 0;  // arrivals whose time came
  std::uint64_t arrivals = 0;  // of them processed before the load ended, dropped ones included
  std::uint64_t dropped = 0;
  std::uint64_t warmup_requests = 0;    // left out of everything else
  std::vector<RequestRecord> requests;  // by Step::request_id
  void Merge(const LoadRecord& other);
  void Reset();
};

/// What the steps saw of one cache; warm-ups are left out.
struct CacheRecord {
  std::uint64_t lookups = 0;  // that were answered, with a value or without
  std::uint64_t l1_hits = 0;
  std::uint64_t l2_hits = 0;
  std::uint64_t stale = 0;      // of the hits, past their TTL
  std::uint64_t negative = 0;   // of the look-ups: there is no such thing
  std::uint64_t coalesced = 0;  // look-ups that waited for another's load
  std::uint64_t errors = 0;     // failed or timed out: no look-up
  std::uint64_t sets = 0;
  std::uint64_t removes = 0;
  std::uint64_t invalidations = 0;
  std::uint64_t loads = 0;  // requests to sources, also in the background
  void Merge(const CacheRecord& other) noexcept;
};

/// A failed request as the result shows it: the first of each load, step and kind.
struct FailureSample {
  std::size_t load = 0;
  std::size_t request = 0;
  ErrorKind kind = ErrorKind::kNone;
  std::string text;  // bounded, without secrets
  double at_s = 0;   // from the start of the run
};

/// What one loop saw within a second (or the run saw in all, for the totals).
struct Interval {
  std::int64_t second = 0;
  std::vector<LoadRecord> loads;
  std::vector<CacheRecord> caches;
  std::vector<FailureSample> samples;
  std::size_t active = 0;   // iterations under way at its end
  std::size_t waiting = 0;  // of them without a connection
  static Interval For(const Scenario& scenario);
  void Merge(const Interval& other);
  void Reset();
};

}  // namespace perf::load
