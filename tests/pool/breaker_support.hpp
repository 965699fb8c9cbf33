// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "libperf/base/clock.hpp"
#include "libperf/pool/breaker.hpp"

namespace perf::pool::test {

using namespace std::chrono_literals;
using State = Breaker::State;
using Outcome = Breaker::Outcome;

inline constexpr TimePoint kStart{1h};

/// Without jitter and growth, so that instants are plain to see.
inline BreakerOptions Plain() {
  BreakerOptions options;
  options.calls = 10;
  options.min_calls = 4;
  options.probes = 3;
  options.open_for = 5s;
  options.open_growth = 1;
  options.open_jitter = 0;
  return options;
}

}  // namespace perf::pool::test
