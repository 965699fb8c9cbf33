// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/stall_watch.hpp"

#include <algorithm>

#include "libperf/base/cpu_time.hpp"

namespace perf::load {
namespace {

constexpr Duration kBeat = std::chrono::milliseconds(10);
// Shorter lateness is the ordinary cost of a wake-up.
constexpr Duration kNoise = std::chrono::milliseconds(2);

}  // namespace

Task<void> StallWatch::Watch(TimePoint from) {
  TimePoint due = from + kBeat;
  Duration cpu_before = ThreadCpu();
  while (!loop_.Cancelled()) {
    co_await loop_.SleepUntil(due);
    const TimePoint now = Clock::now();
    const Duration cpu = ThreadCpu();
    const Duration late = now - due;
    const Duration lost = late - (cpu - cpu_before);
    if (!loop_.Cancelled() && late > kNoise && lost > kNoise) {
      stalled_ += lost;
      longest_ = std::max(longest_, lost);
    }
    cpu_before = cpu;
    due = std::max(due + kBeat, now);
  }
}

}  // namespace perf::load
