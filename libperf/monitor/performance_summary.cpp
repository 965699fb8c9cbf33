// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/performance_summary.hpp"

namespace perf::monitor {
namespace {

Json Optional(std::optional<double> value, double scale = 1) {
  return value ? Json(*value * scale) : Json();
}

Json OperationJson(const OperationSummary& summary) {
  Json json = Json::MakeObject();
  json["ended"] = summary.ended;
  json["errors"] = summary.errors;
  json["active"] = summary.active;
  json["per_second"] = summary.per_second;
  json["error_ratio"] = Optional(summary.error_ratio);
  Json& latency = json["latency"];
  latency = Json::MakeObject();
  latency["mean_ms"] = Optional(summary.mean_s, 1e3);
  latency["p50_ms"] = Optional(summary.p50_s, 1e3);
  latency["p95_ms"] = Optional(summary.p95_s, 1e3);
  latency["p99_ms"] = Optional(summary.p99_s, 1e3);
  return json;
}

}  // namespace

OperationSummary Summarize(const OperationTotals& before, const OperationTotals& now,
                           Duration window) {
  OperationSummary summary;
  metrics::HistogramSnapshot times = now.duration;
  for (std::size_t i = 0; i < times.counts.size() && i < before.duration.counts.size(); ++i) {
    const std::uint64_t old = before.duration.counts[i];
    times.counts[i] = times.counts[i] > old ? times.counts[i] - old : 0;
  }
  summary.ended = times.Count();
  summary.errors = now.errors > before.errors ? now.errors - before.errors : 0;
  summary.active = now.active;
  const double seconds = static_cast<double>(window.count()) / 1e9;
  if (seconds > 0) summary.per_second = static_cast<double>(summary.ended) / seconds;
  if (summary.ended == 0) return summary;
  const auto ended = static_cast<double>(summary.ended);
  summary.error_ratio = static_cast<double>(summary.errors) / ended;
  summary.mean_s = (now.duration.sum - before.duration.sum) / ended;
  summary.p50_s = times.Quantile(0.5);
  summary.p95_s = times.Quantile(0.95);
  summary.p99_s = times.Quantile(0.99);
  return summary;
}

Json ToJson(const PerformanceSummary& summary) {
  Json json = Json::MakeObject();
  json["window_s"] = ToMs(summary.window) / 1e3;
  json["requests"] = OperationJson(summary.requests);
  json["database"] = OperationJson(summary.database);
  json["external_calls"] = OperationJson(summary.calls);
  Json& system = json["system"];
  system["cpu_percent"] = Optional(summary.cpu_percent);
  system["cpu_high"] = summary.cpu_high;
  system["memory_used_percent"] = Optional(summary.memory_used_percent);
  system["process_cpu_percent"] = Optional(summary.process_cpu_percent);
  system["process_memory_bytes"] =
      summary.process_memory_bytes ? Json(*summary.process_memory_bytes) : Json();
  system["memory_high"] = summary.memory_high;
  Json& targets = json["targets"];
  const auto count = [](std::size_t value) { return Json(std::uint64_t{value}); };
  targets["up"] = count(summary.targets_up);
  targets["down"] = count(summary.targets_down);
  targets["unknown"] = count(summary.targets_unknown);
  json["alerts"] = count(summary.alerts);
  return json;
}

}  // namespace perf::monitor
