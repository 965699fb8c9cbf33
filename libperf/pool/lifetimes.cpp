// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/lifetimes.hpp"

#include <algorithm>
#include <cmath>

namespace perf::pool {

Duration Lifetimes::Next(Duration most, double jitter) noexcept {
  constexpr double kGolden = 0.61803398874989485;  // 1 / the golden ratio
  constexpr double kNoise = 0.01;
  position_ = std::fmod(position_ + kGolden, 1.0);
  const double place = std::fmod(position_ + kNoise * random_.Unit(), 1.0);
  const double share = 1 - std::clamp(jitter, 0.0, 1.0) * place;
  return std::chrono::duration_cast<Duration>(most * share);
}

}  // namespace perf::pool
