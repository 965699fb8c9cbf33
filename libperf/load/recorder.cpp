// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/recorder.hpp"

#include <algorithm>

namespace perf::load {
namespace {

std::int64_t Micros(Duration length) noexcept {
  // Rounded, not cut: a median of 0.6 µs is 1 µs.
  return (std::max(length, Duration::zero()).count() + 500) / 1000;
}

}  // namespace

void Clocks::Merge(const Clocks& other) {
  latency.Merge(other.latency);
  wait.Merge(other.wait);
  service_time.Merge(other.service_time);
  schedule_lag.Merge(other.schedule_lag);
}

void Clocks::Reset() {
  latency.Reset();
  wait.Reset();
  service_time.Reset();
  schedule_lag.Reset();
}

void PlayRecord::Merge(const PlayRecord& other) {
  if (other.streams == 0 && other.refused == 0 && other.frames == 0) return;
  late.Merge(other.late);
  streams += other.streams;
  refused += other.refused;
  frames += other.frames;
  over_period += other.over_period;
  underruns.events += other.underruns.events;
  underruns.frames += other.underruns.frames;
  overruns.events += other.overruns.events;
  overruns.frames += other.overruns.frames;
}

void PlayRecord::Reset() {
  late.Reset();
  streams = refused = frames = over_period = 0;
  underruns = overruns = {};
}

void RequestRecord::Add(const RequestOutcome& outcome) {
  const auto count = outcome.count;
  total += count;
  errors[static_cast<std::size_t>(outcome.error)] += count;
  const std::int64_t latency = Micros(outcome.timing.done - outcome.intended);
  const std::int64_t wait = Micros(outcome.acquired - outcome.began);
  std::int64_t service = 0;
  if (outcome.timing.sent != TimePoint{}) {
    service = Micros(outcome.timing.done - outcome.timing.sent);
    clocks.service_time.Record(service, count);
    if (outcome.timing.first_byte != TimePoint{}) {
      first_byte.Record(Micros(outcome.timing.first_byte - outcome.timing.sent), count);
    }
  }
  clocks.latency.Record(latency, count);
  clocks.wait.Record(wait, count);
  // The rest is ours, whatever it was spent on: so the three always add up.
  clocks.schedule_lag.Record(std::max<std::int64_t>(latency - wait - service, 0), count);
}

void RequestRecord::Merge(const RequestRecord& other) {
  clocks.Merge(other.clocks);
  first_byte.Merge(other.first_byte);
  play.Merge(other.play);
  total += other.total;
  for (std::size_t i = 0; i < errors.size(); ++i) errors[i] += other.errors[i];
}

void RequestRecord::Reset() {
  clocks.Reset();
  first_byte.Reset();
  play.Reset();
  total = 0;
  errors.fill(0);
}

void LoadRecord::Merge(const LoadRecord& other) {
  duration.Merge(other.duration);
  iterations += other.iterations;
  failed_iterations += other.failed_iterations;
  intended += other.intended;
  arrivals += other.arrivals;
  dropped += other.dropped;
  warmup_requests += other.warmup_requests;
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].Merge(other.requests[i]);
}

void LoadRecord::Reset() {
  duration.Reset();
  iterations = failed_iterations = intended = arrivals = dropped = warmup_requests = 0;
  for (RequestRecord& request : requests) request.Reset();
}

void CacheRecord::Merge(const CacheRecord& other) noexcept {
  lookups += other.lookups;
  l1_hits += other.l1_hits;
  l2_hits += other.l2_hits;
  stale += other.stale;
  negative += other.negative;
  coalesced += other.coalesced;
  errors += other.errors;
  sets += other.sets;
  removes += other.removes;
  invalidations += other.invalidations;
  loads += other.loads;
}

Interval Interval::For(const Scenario& scenario) {
  Interval interval;
  interval.loads.resize(scenario.loads.size());
  interval.caches.resize(scenario.caches.size());
  for (std::size_t i = 0; i < scenario.loads.size(); ++i) {
    interval.loads[i].requests.resize(Requests(scenario.flows[scenario.loads[i].flow]).size());
  }
  return interval;
}

void Interval::Merge(const Interval& other) {
  for (std::size_t i = 0; i < loads.size(); ++i) loads[i].Merge(other.loads[i]);
  for (std::size_t i = 0; i < caches.size(); ++i) caches[i].Merge(other.caches[i]);
  active += other.active;
  waiting += other.waiting;
  for (const FailureSample& sample : other.samples) {
    const auto same = [&](const FailureSample& known) {
      return known.load == sample.load && known.request == sample.request &&
             known.kind == sample.kind;
    };
    if (std::none_of(samples.begin(), samples.end(), same)) samples.push_back(sample);
  }
}

void Interval::Reset() {
  for (LoadRecord& load : loads) load.Reset();
  std::fill(caches.begin(), caches.end(), CacheRecord{});
  samples.clear();
  active = waiting = 0;
}

}  // namespace perf::load
