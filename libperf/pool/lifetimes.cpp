// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/lifetimes.hpp"

#include <algorithm>
#include <cstddef>

namespace perf::pool {
namespace {
// A gap that is nearly the widest is as good where its neighbours are wider: halving one after the
// other would leave one part of the window twice as crowded as the rest.
constexpr double kAsWide = 0.8;
constexpr double kNoise = 0.1;  // of a gap
}  // namespace

TimePoint Lifetimes::Next(Duration most, double jitter, TimePoint now,
                          std::vector<TimePoint>& planned) {
  const Duration window = std::chrono::duration_cast<Duration>(most * std::clamp(jitter, 0.0, 1.0));
  const TimePoint last = Saturated(now, most);
  const TimePoint first = last - window;
  const auto part = [](Duration whole, double share) {
    return std::chrono::duration_cast<Duration>(whole * share);
  };
  std::sort(planned.begin(), planned.end());
  const auto begin = std::upper_bound(planned.begin(), planned.end(), first);
  const auto count = static_cast<std::size_t>(std::lower_bound(begin, planned.end(), last) - begin);
  // The first one has the whole window to choose from: pools must not die in step.
  if (count == 0 || begin == planned.end()) return first + part(window, random_.Unit());
  const TimePoint* const deaths = &*begin;
  const auto gap = [&](std::size_t i) {
    return i + 1 < count ? deaths[i + 1] - deaths[i] : window - (deaths[count - 1] - deaths[0]);
  };
  Duration widest{};
  for (std::size_t i = 0; i < count; ++i) widest = std::max(widest, gap(i));
  const auto start = static_cast<std::size_t>(random_.Int(0, static_cast<std::int64_t>(count) - 1));
  std::size_t chosen = count;
  Duration most_room{};
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t i = (start + k) % count;
    if (gap(i) < part(widest, kAsWide)) continue;
    const Duration room = gap((i + count - 1) % count) + 2 * gap(i) + gap((i + 1) % count);
    if (chosen < count && room <= most_room) continue;
    chosen = i;
    most_room = room;
  }
  const double place = 0.5 + kNoise * (random_.Unit() - 0.5);
  const Duration offset = deaths[chosen] - first + part(gap(chosen), place);
  return first + (offset < window ? offset : offset - window);
}

}  // namespace perf::pool
