// SPDX-License-Identifier: Apache-2.0
// Prints two results, one a line, for the check against the JSON Schema: an empty one, and one
// in which everything is there.
#include <cstdio>

#include "libperf/load/result.hpp"

using namespace perf;
using namespace perf::load;

namespace {

stats::Summary Times() { return {3, 0.1, 0.5, 0.4, 0.9, 1, 1.25, 2, 2}; }

Section Full(const std::string& name) {
  Section section;
  section.name = name;
  section.requests = {10, 5, 1, {0, 1, 1, 1, 1, 1}};
  section.latency = section.wait = section.service_time = section.schedule_lag = Times();
  section.first_byte = Times();
  section.duration = Times();
  section.iterations = 4;
  section.failed_iterations = 2;
  return section;
}

Result Everything() {
  Result result;
  result.scenario_name = "all";
  result.scenario_hash = std::string(64, 'a');
  result.scenario_source = "all.yaml";
  result.seed = 7;
  result.started_at = "2026-01-31T23:59:59.001Z";
  result.duration_s = 12.5;
  result.environment["host"] = "here";
  result.environment["cores"] = 2;
  result.verdict = Verdict::kInvalid;
  result.invalid_reasons = {{"rate_missed", "why"},
                            {"lag", "why"},
                            {"cpu", "why"},
                            {"stalled", "why"},
                            {"starved", "why"}};
  ThresholdResult threshold;
  threshold.expr = "latency: p(99) < 250ms";
  threshold.unit = "ms";
  threshold.limit = 250;
  result.thresholds.push_back(threshold);
  threshold.observed = 12.5;
  threshold.window_s = 10;
  threshold.ok = true;
  result.thresholds.push_back(threshold);
  result.target_rate = 100;
  result.achieved_rate = 99.5;
  result.total = Full("");
  result.flows.push_back(Full("call"));
  result.flows.back().steps.push_back(Full("step"));
  result.loads = result.flows;
  result.pools.push_back({"db", "postgres", 10, 3, 2, 100, 7, 3, 1, 1});
  CacheResult cache;
  cache.name = "guests";
  cache.policy = "adaptive";
  cache.redis = "kv";
  cache.seen.lookups = 10;
  cache.seen.l1_hits = 7;
  cache.seen.l2_hits = 2;
  result.caches.push_back(cache);
  cache.name = "alone";
  cache.redis.clear();
  cache.seen = {};
  result.caches.push_back(cache);
  AudioResult audio;
  audio.streams = 1000;
  audio.frames = 50'000;
  audio.late = Times();
  audio.hot_allocs = 0;
  audio.bytes_per_stream = 9984.5;
  audio.rss_returned_ratio = 0.85;
  audio.capacity_streams = 40'000;
  result.audio = audio;
  Json row;
  row["impl"] = "perfkit";
  result.bench = BenchResult{"micro", {row}};
  result.samples.push_back({"call", "steady", "step", "status", "HTTP status 500", 1.5});
  result.faults.push_back({"db", "latency", "latency 50ms", 5, 2, 5.001, 7.002, ""});
  result.generator = {3.5, 12.5, 1 << 20, 1.5, 0.5, 2};
  result.series.push_back({});
  result.histograms.emplace_back("latency", "HISTFAAAAA==");
  return result;
}

}  // namespace

int main() {
  Result empty;
  empty.environment = Json::MakeObject();
  empty.started_at = "2026-01-31T23:59:59Z";
  std::puts(empty.ToJson().Dump().c_str());
  std::puts(Everything().ToJson().Dump().c_str());
}
