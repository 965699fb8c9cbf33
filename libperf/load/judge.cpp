// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace perf::load {
namespace {

bool UpperBound(const Condition& condition) noexcept {
  return condition.comparison == Comparison::kLess ||
         condition.comparison == Comparison::kLessEqual;
}

/// Whether time can no longer mend it. A lower bound ("count > 1000") is reached only in time: it
/// is judged at the end; so is "count == 5", until there are six.
bool Lost(const Condition& condition, double observed) noexcept {
  if (UpperBound(condition)) return !condition.Holds(observed);
  return condition.comparison == Comparison::kEqual &&
         condition.aggregation == Aggregation::kCount && observed > condition.limit;
}

/// Whether `value` is further on the bad side than `than`.
bool Worse(const Condition& condition, double value, double than) noexcept {
  if (UpperBound(condition)) return value > than;
  if (condition.comparison == Comparison::kEqual)
    return std::abs(value - condition.limit) > std::abs(than - condition.limit);
  return value < than;
}

std::size_t WholeSeconds(Duration window) noexcept {
  return static_cast<std::size_t>(
      std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(window).count()));
}

std::string_view UnitOf(const MetricPath& path, const Condition& condition) noexcept {
  if (condition.aggregation == Aggregation::kCount) return "";
  switch (TypeOf(path.metric)) {
    case MetricType::kTrend: return "ms";
    case MetricType::kRatio:
    case MetricType::kRate: return "fraction";
    case MetricType::kCounter: return condition.aggregation == Aggregation::kRate ? "/s" : "";
    case MetricType::kGauge: return path.metric == Metric::kRate ? "/s" : "";
  }
  return "";
}

}  // namespace

Judge::Judge(const Scenario& scenario) : scenario_(scenario) {
  bool own_dropped = false;
  for (const ThresholdSpec& spec : scenario.thresholds) {
    Add(scenario, spec, false);
    const MetricPath& path = watched_.back().path;
    own_dropped |= path.metric == Metric::kDropped && !path.load && !path.flow;
    own_errors_ |= path.metric == Metric::kErrors;
  }
  const bool open =
      std::any_of(scenario.loads.begin(), scenario.loads.end(),
                  [](const LoadSpec& load) { return load.kind == LoadSpec::Kind::kRate; });
  if (open && !own_dropped) Add(scenario, ThresholdSpec::Parse("dropped: count == 0"), true);
}

void Judge::Add(const Scenario& scenario, ThresholdSpec spec, bool implicit) {
  MetricPathError error;
  const auto path = ResolveMetric(scenario, spec.metric, error);
  if (!path) throw ConfigError(fmt::format("threshold '{}': {}", spec.text, error.message));
  Watched watched;
  if (spec.window) watched.window.emplace(scenario, *path, WholeSeconds(*spec.window));
  watched.spec = std::move(spec);
  watched.path = *path;
  watched.implicit = implicit;
  Bound(watched);
  watched_.push_back(std::move(watched));
}

void Judge::Bound(Watched& watched) const {
  const Condition& condition = watched.spec.condition;
  const MetricType type = TypeOf(watched.path.metric);
  const bool counted = type == MetricType::kCounter || type == MetricType::kGauge;
  if (!counted || UpperBound(condition) || condition.limit <= 0) return;
  watched.from = Duration::max();
  watched.to = Duration::zero();
  for (std::size_t i = 0; i < scenario_.loads.size(); ++i) {
    const LoadSpec& load = scenario_.loads[i];
    if (watched.path.load ? *watched.path.load != i
                          : watched.path.flow && *watched.path.flow != load.flow)
      continue;
    const Duration start = scenario_.PlannedStart(i).value_or(Duration::zero());
    watched.from = std::min(watched.from, start + load.warmup);
    watched.to = std::max(watched.to, scenario_.PlannedEnd(i).value_or(Duration::max()));
  }
}

std::optional<std::string> Judge::OnSecond(const Interval& second, const Interval& totals,
                                           Duration elapsed) {
  std::optional<std::string> abort;
  for (Watched& watched : watched_) {
    bool failed = false;
    if (watched.window) {
      JudgeSecond(watched, second);
      failed = watched.window_failed;
    } else if (watched.spec.abort) {
      const Observation seen =
          Observe(scenario_, watched.path, watched.spec.condition, totals, elapsed);
      failed = seen.value && Lost(watched.spec.condition, *seen.value);
    }
    if (failed && watched.spec.abort) {
      watched.aborted = true;
      if (!abort) abort = watched.spec.text;
    }
  }
  return abort;
}

void Judge::JudgeSecond(Watched& watched, const Interval& second) {
  const bool inside = std::chrono::seconds(second.second) >= watched.from &&
                      std::chrono::seconds(second.second + 1) <= watched.to;
  if (!inside || !watched.window->Add(second)) return;
  JudgeWindow(watched, Aggregate(watched.path, watched.spec.condition, watched.window->Seen(),
                                 *watched.spec.window));
}

void Judge::JudgeWindow(Watched& watched, const Observation& seen) {
  if (!seen.value) return;
  const Condition& condition = watched.spec.condition;
  const bool holds = condition.Holds(*seen.value);
  const bool first = !watched.worst.value || (!holds && !watched.window_failed);
  const bool may_be_worst = !holds || !watched.window_failed;
  if (first || (may_be_worst && Worse(condition, *seen.value, *watched.worst.value))) {
    watched.worst = seen;
  }
  watched.window_failed |= !holds;
}

void Judge::JudgeEnd(Watched& watched, const Interval& totals, Duration length) const {
  const Condition& condition = watched.spec.condition;
  // A run shorter than the window is judged as one window.
  if (!watched.worst.value) {
    JudgeWindow(watched, Observe(scenario_, watched.path, condition, totals, length));
    return;
  }
  // Of a long window the last part may be begun. Fewer seconds hold fewer of what is counted: a
  // lower bound is not held against them.
  const bool lower = condition.aggregation == Aggregation::kCount && !UpperBound(condition);
  if (watched.to != Duration::max() || (lower && condition.limit > 0)) return;
  const std::size_t seconds = watched.window->TakeRest();
  if (seconds == 0) return;
  JudgeWindow(watched, Aggregate(watched.path, condition, watched.window->Seen(),
                                 std::chrono::seconds(seconds)));
}

std::vector<ThresholdResult> Judge::Results(const Interval& totals, Duration length) {
  std::vector<ThresholdResult> results;
  for (Watched& watched : watched_) {
    if (watched.window) JudgeEnd(watched, totals, length);
    results.push_back(Result(watched, totals, length));
  }
  // A run in which nothing at all succeeded must not pass for want of a threshold.
  if (!own_errors_) {
    Watched nothing_worked;
    nothing_worked.spec = ThresholdSpec::Parse("errors: rate < 100%");
    nothing_worked.path.metric = Metric::kErrors;
    nothing_worked.implicit = true;
    ThresholdResult result = Result(nothing_worked, totals, length);
    if (result.observed && !result.ok) results.push_back(std::move(result));
  }
  return results;
}

ThresholdResult Judge::Result(const Watched& watched, const Interval& totals,
                              Duration length) const {
  const Condition& condition = watched.spec.condition;
  ThresholdResult result;
  result.expr = watched.spec.text;
  result.implicit = watched.implicit;
  result.aborted = watched.aborted;
  result.limit = condition.limit;
  result.unit = UnitOf(watched.path, condition);
  result.less_is_better = UpperBound(condition);
  if (watched.spec.window) {
    result.window_s = ToMs(*watched.spec.window) / 1000;
    result.observed = watched.worst.value;
    result.samples = watched.worst.samples;
    result.ok = watched.worst.value && !watched.window_failed;
    return result;
  }
  const Observation seen = Observe(scenario_, watched.path, condition, totals, length);
  result.observed = seen.value;
  result.samples = seen.samples;
  // Without samples nothing was shown: not passed.
  result.ok = seen.value && condition.Holds(*seen.value) && !watched.aborted;
  return result;
}

std::vector<std::pair<std::string, std::string>> InvalidReasons(const load::Result& result,
                                                                std::uint64_t intended,
                                                                std::uint64_t arrivals) {
  std::vector<std::pair<std::string, std::string>> reasons;
  if (static_cast<double>(arrivals) < 0.99 * static_cast<double>(intended)) {
    reasons.emplace_back("rate_missed",
                         fmt::format("{} of {} intended arrivals were processed within their load: "
                                     "use more threads or a lower rate",
                                     arrivals, intended));
  }
  const double lag = result.total.schedule_lag.p99;
  const double most_lag = std::max(5.0, 0.1 * result.total.latency.p99);
  if (lag > most_lag) {
    reasons.emplace_back(
        "lag",
        fmt::format("the generator was late by {:.1f} ms at p99 (limit {:.1f} ms)", lag, most_lag));
  }
  if (result.generator.cpu_percent > 90) {
    reasons.emplace_back("cpu",
                         fmt::format("the generator used {:.0f} % of its {} thread(s): what was "
                                     "measured is the generator; use more threads or less load",
                                     result.generator.cpu_percent, result.generator.threads));
  }
  const double stalled = result.generator.stalled_ms / std::max(result.duration_s * 1000, 1.0);
  if (stalled > 0.02) {
    reasons.emplace_back(
        "stalled",
        fmt::format("the machine stood still for {:.1f} % of the run (longest {:.0f} ms)",
                    stalled * 100, result.generator.longest_stall_ms));
  }
  const double starved_ms = result.audio ? result.audio->starved_ms.value_or(0) : 0;
  const double starved = starved_ms / std::max(result.duration_s * 1000, 1.0);
  if (starved > 0.01) {
    reasons.emplace_back(
        "starved",
        fmt::format("the pacing of audio was kept from running for {:.1f} % of the run: use fewer "
                    "streams or a quieter machine",
                    starved * 100));
  }
  return reasons;
}

}  // namespace perf::load
