// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_tally.hpp"

#include <algorithm>

namespace perf::backends {
namespace {

constexpr std::size_t kMostBuckets = 4'096;

void Halve(FaultCounters& counters) {
  std::vector<std::uint32_t>& dials = counters.dials;
  for (std::size_t i = 0; i < dials.size(); ++i) {
    const std::uint32_t count = dials[i];
    dials[i] = 0;
    dials[i / 2] += count;
  }
  dials.resize((dials.size() + 1) / 2);
  counters.bucket *= 2;
}

}  // namespace

FaultTally::FaultTally(TimePoint now, Duration bucket) {
  auto counters = counters_.Lock();
  counters->started = now;
  counters->bucket = std::max<Duration>(bucket, std::chrono::microseconds(1));
}

void FaultTally::Accepted(TimePoint now) {
  auto locked = counters_.Lock();
  FaultCounters& counters = *locked;
  ++counters.accepted;
  counters.most_open = std::max(counters.most_open, ++counters.open);
  counters.most_dialling = std::max(counters.most_dialling, ++counters.dialling);
  const auto slot = [&] {
    return static_cast<std::size_t>((now - counters.started) / counters.bucket);
  };
  while (slot() >= kMostBuckets) Halve(counters);
  if (counters.dials.size() <= slot()) counters.dials.resize(slot() + 1);
  ++counters.dials[slot()];
}

void FaultTally::Dialled() {
  auto counters = counters_.Lock();
  --counters->dialling;
}

void FaultTally::Left(bool by_fault) {
  auto counters = counters_.Lock();
  --counters->open;
  if (by_fault) ++counters->broken;
}

void FaultTally::DialFailed(const std::string& text) {
  auto counters = counters_.Lock();
  ++counters->dial_failures;
  counters->last_dial_failure = text;
}

void FaultTally::Carried(std::uint64_t up, std::uint64_t down) {
  auto counters = counters_.Lock();
  counters->bytes_up += up;
  counters->bytes_down += down;
}

FaultCounters FaultTally::Snapshot() const {
  auto counters = counters_.Lock();
  return *counters;
}

}  // namespace perf::backends
