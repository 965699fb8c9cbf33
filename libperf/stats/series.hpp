// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"

namespace perf::stats {

/// A series of bounded length over a time of any length: when it is full, neighbours are merged
/// pairwise and the step doubles. Point has `void Merge(const Point& later)`.
/// Thread safety: none.
template <typename Point>
class TimeSeries {
 public:
  static constexpr std::size_t kMostPoints = 3600;

  /// Requires: capacity >= 2.
  explicit TimeSeries(Duration first_step = std::chrono::seconds(1),
                      std::size_t capacity = kMostPoints)
      : step_(first_step), capacity_(capacity) {}

  /// The point of the next first_step of time: one call for each, also where nothing happened.
  void Add(Point point) {
    if (!points_.empty() && in_last_ < per_point_) {
      points_.back().Merge(point);
      ++in_last_;
      return;
    }
    if (points_.size() == capacity_) {
      Halve();
      Add(std::move(point));
      return;
    }
    points_.push_back(std::move(point));
    in_last_ = 1;
  }

  const std::vector<Point>& Points() const noexcept { return points_; }
  /// The time that each point covers; the last may cover less so far.
  Duration Step() const noexcept { return step_; }

 private:
  void Halve() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < points_.size(); i += 2) {
      if (i + 1 < points_.size()) points_[i].Merge(points_[i + 1]);
      if (kept != i) points_[kept] = std::move(points_[i]);
      ++kept;
    }
    // All were full; of an odd number the last has no neighbour yet and is half full now.
    in_last_ = points_.size() % 2 == 0 ? 2 * per_point_ : per_point_;
    points_.erase(points_.begin() + static_cast<std::ptrdiff_t>(kept), points_.end());
    per_point_ *= 2;
    step_ *= 2;
  }

  Duration step_;
  std::size_t capacity_;
  std::size_t per_point_ = 1;  // calls of Add that make one full point
  std::size_t in_last_ = 0;
  std::vector<Point> points_;
};

}  // namespace perf::stats
