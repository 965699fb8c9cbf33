// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/window.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace perf::monitor::alerts {
namespace {

double Seconds(Millis length) noexcept { return static_cast<double>(length.count()) / 1e3; }

/// The samples of [now - length, now].
template <typename P>
struct Slice {
  typename std::deque<P>::const_iterator begin;
  typename std::deque<P>::const_iterator end;
  std::size_t Size() const { return static_cast<std::size_t>(end - begin); }
};

template <typename P>
Slice<P> Within(const std::deque<P>& points, Millis length, WallTime now) {
  const auto before = [](const P& point, WallTime at) { return point.at < at; };
  const auto after = [](WallTime at, const P& point) { return at < point.at; };
  return {std::lower_bound(points.begin(), points.end(), now - length, before),
          std::upper_bound(points.begin(), points.end(), now, after)};
}

/// By how much a counter grew from the first to the last sample, taken to the ends of the window:
/// as far as to them where a sample is missing at most once, half a sample otherwise; and never to
/// before the instant at which the counter would have been 0.
template <typename P, typename Read>
double Extrapolated(const Slice<P>& slice, Expression::Window window, Millis length, WallTime now,
                    const Read& read) {
  const P& first = *slice.begin;
  const P& last = *(slice.end - 1);
  double grown = read(last) - read(first);
  double previous = 0;
  for (auto at = slice.begin; at != slice.end; ++at) {
    const double value = read(*at);
    if (value < previous) grown += previous;  // a counter that began anew
    previous = value;
  }
  const double sampled = Seconds(last.at - first.at);
  const double between = sampled / static_cast<double>(slice.Size() - 1);
  double to_start = Seconds(first.at - (now - length));
  const double to_end = Seconds(now - last.at);
  if (grown > 0 && read(first) >= 0) {
    to_start = std::min(to_start, sampled * (read(first) / grown));
  }
  const double near = between * 1.1;
  const double covered =
      sampled + (to_start < near ? to_start : between / 2) + (to_end < near ? to_end : between / 2);
  double factor = covered / sampled;
  if (window == Expression::Window::kRate) factor /= Seconds(length);
  return grown * factor;
}

}  // namespace

std::optional<double> OverWindow(Expression::Window window, const std::deque<Point>& points,
                                 Millis length, WallTime now) {
  const Slice<Point> slice = Within(points, length, now);
  if (window == Expression::Window::kRate || window == Expression::Window::kIncrease) {
    if (slice.Size() < 2) return std::nullopt;
    return Extrapolated(slice, window, length, now, [](const Point& point) { return point.value; });
  }
  if (slice.Size() == 0) return std::nullopt;
  double result = slice.begin->value;
  double sum = 0;
  for (auto at = slice.begin; at != slice.end; ++at) {
    sum += at->value;
    // A sample that is no number counts only where there is nothing else.
    if (window == Expression::Window::kMin && (at->value < result || std::isnan(result))) {
      result = at->value;
    }
    if (window == Expression::Window::kMax && (at->value > result || std::isnan(result))) {
      result = at->value;
    }
  }
  return window == Expression::Window::kAvg ? sum / static_cast<double>(slice.Size()) : result;
}

std::vector<double> BucketRates(Expression::Window window, const std::deque<HistogramPoint>& points,
                                Millis length, WallTime now) {
  const Slice<HistogramPoint> slice = Within(points, length, now);
  if (slice.Size() < 2) return {};
  // Cumulative first: each bucket is a counter of its own for Prometheus, resets included.
  std::deque<HistogramPoint> sums(slice.begin, slice.end);
  for (HistogramPoint& point : sums) {
    for (std::size_t i = 1; i < point.counts.size(); ++i) point.counts[i] += point.counts[i - 1];
  }
  const Slice<HistogramPoint> whole{sums.begin(), sums.end()};
  std::vector<double> rates(sums.front().counts.size());
  for (std::size_t bucket = 0; bucket < rates.size(); ++bucket) {
    rates[bucket] = Extrapolated(whole, window, length, now, [bucket](const HistogramPoint& point) {
      return static_cast<double>(point.counts[bucket]);
    });
  }
  return rates;
}

double InterpolatedQuantile(double q, const metrics::Buckets& buckets,
                            const std::vector<double>& cumulative) noexcept {
  constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
  if (cumulative.size() < 2) return kNothing;
  const double total = cumulative.back();
  if (!(total > 0)) return kNothing;
  double rank = q * total;
  // Rates of buckets that were extrapolated apart need not grow: the highest so far counts.
  double below = 0;
  double count = 0;
  std::size_t bucket = 0;
  for (; bucket < cumulative.size(); ++bucket) {
    below = count;
    count = std::max(count, cumulative[bucket]);
    if (count >= rank) break;
  }
  if (bucket + 1 >= cumulative.size()) return buckets.Bound(cumulative.size() - 2);
  const double start = bucket == 0 ? 0 : buckets.Bound(bucket - 1);
  rank -= below;
  return start + (buckets.Bound(bucket) - start) * (rank / (count - below));
}

}  // namespace perf::monitor::alerts
