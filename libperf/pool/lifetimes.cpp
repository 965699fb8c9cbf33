// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/lifetimes.hpp"

#include <algorithm>

namespace perf::pool {

TimePoint Lifetimes::Next(Duration most, double jitter, TimePoint now,
                          std::vector<TimePoint>& planned) {
  const Duration window = std::chrono::duration_cast<Duration>(most * std::clamp(jitter, 0.0, 1.0));
  const TimePoint last = Saturated(now, most);
  const TimePoint first = last - window;
  std::sort(planned.begin(), planned.end());
  // The window's ends count as deaths that have other ones half a gap away.
  TimePoint from = first;
  TimePoint widest_from = first;
  Duration widest{-1};
  const auto consider = [&](TimePoint to) {
    if (to - from > widest) {
      widest = to - from;
      widest_from = from;
    }
    from = to;
  };
  for (const TimePoint death : planned) {
    if (death > first && death < last) consider(death);
  }
  consider(last);
  // The first one has the whole window to choose from: pools must not die in step.
  const double noise = widest == window ? 1.0 : 0.1;
  const double place = 0.5 + noise * (random_.Unit() - 0.5);
  return widest_from + std::chrono::duration_cast<Duration>(widest * place);
}

}  // namespace perf::pool
