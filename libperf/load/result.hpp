// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/load/audio_result.hpp"
#include "libperf/load/cache_result.hpp"
#include "libperf/stats/summary.hpp"

namespace perf::load {

enum class Verdict { kPass, kFail, kInvalid, kInterrupted };
PERF_EXPORT std::string_view Name(Verdict verdict) noexcept;

struct ThresholdResult {
  std::string expr;
  bool ok = false;
  bool implicit = false;           // `dropped: count == 0`
  std::optional<double> observed;  // nothing without samples; of a window: the worst
  double limit = 0;
  std::uint64_t samples = 0;
  std::string unit;  // "ms", "" …
  std::optional<double> window_s;
  bool aborted = false;  // it ended the run
  bool less_is_better = true;
};

struct RequestCounts {
  std::uint64_t total = 0;
  std::uint64_t failed = 0;
  std::uint64_t dropped = 0;
  std::array<std::uint64_t, kErrorKinds> errors{};  // [0] unused
};

/// The four clocks and what came with them, of the run, a flow, a load or a step.
struct Section {
  std::string name;
  RequestCounts requests;
  stats::Summary latency, wait, service_time, schedule_lag;
  std::optional<stats::Summary> first_byte;
  std::optional<stats::Summary> duration;  // flows and loads: whole iterations
  std::uint64_t iterations = 0;
  std::uint64_t failed_iterations = 0;
  std::vector<Section> steps;
};

struct SeriesPoint {
  double t = 0;  // s from the start of the run to the point's begin
  double target = 0;
  double achieved = 0;
  double requests = 0;  // per second
  std::uint64_t failed = 0;
  std::uint64_t dropped = 0;
  double p50_ms = 0, p90_ms = 0, p99_ms = 0, max_ms = 0;
  double service_p99_ms = 0;
  std::uint64_t active = 0;
  std::uint64_t waiting = 0;
  int merged = 1;  // seconds in it
  void Merge(const SeriesPoint& later);
};

struct PoolResult {
  std::string name;
  std::string kind;
  std::uint64_t max = 0, most_in_use = 0, most_waiting = 0, acquired = 0, waited = 0, dialled = 0,
                dial_failures = 0, discarded = 0;
};

struct SampleResult {
  std::string flow, load, step, kind, text;
  double at_s = 0;
};

/// One entry of the scenario's `faults`, as it was carried out.
struct FaultResult {
  std::string target, kind, text;
  double at_s = 0;
  double for_s = 0;               // 0: once
  std::optional<double> begun_s;  // nothing where the run ended before
  std::optional<double> ended_s;
  std::string error;  // why it could not be carried out; empty where it could
};

/// What a benchmark found beyond a run: rows whose members its verb decides, see poolbench(1).
struct BenchResult {
  std::string verb;
  std::vector<Json> rows;
};

struct Generator {
  double cpu_us_per_op = 0;
  double cpu_percent = 0;  // of its threads
  std::uint64_t rss_max_bytes = 0;
  double stalled_ms = 0;
  double longest_stall_ms = 0;
  int threads = 1;
};

/// What every program writes: schema perfkit.result/1, see perfkit-result(5). A value.
struct PERF_EXPORT Result {
  std::string tool = "perfctl run";
  std::string scenario_name, scenario_hash, scenario_source;
  std::uint64_t seed = 0;
  std::string started_at;  // RFC 3339, UTC
  double duration_s = 0;
  Json environment;
  Verdict verdict = Verdict::kPass;
  std::vector<std::pair<std::string, std::string>> invalid_reasons;  // code, text
  std::vector<ThresholdResult> thresholds;
  double target_rate = 0;  // 0: no open load
  double achieved_rate = 0;
  Section total;
  std::uint64_t warmup_requests = 0;
  std::vector<Section> flows;
  std::vector<Section> loads;
  std::vector<PoolResult> pools;
  std::vector<CacheResult> caches;
  std::optional<AudioResult> audio;
  std::vector<FaultResult> faults;
  std::optional<BenchResult> bench;
  std::vector<SampleResult> samples;
  Generator generator;
  double series_step_s = 1;
  std::vector<SeriesPoint> series;
  std::vector<std::pair<std::string, std::string>> histograms;  // name, base64

  bool Valid() const noexcept { return invalid_reasons.empty(); }
  bool ThresholdsOk() const noexcept;
  Json ToJson() const;
};

/// The version of the library, as in `version` of a result.
PERF_EXPORT std::string_view Version() noexcept;

}  // namespace perf::load
