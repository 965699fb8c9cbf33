// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/metric_window.hpp"

#include <algorithm>
#include <limits>

namespace perf::load {

MetricWindow::MetricWindow(const Scenario& scenario, const MetricPath& path, std::size_t seconds)
    : scenario_(scenario),
      path_(path),
      seconds_(seconds),
      most_parts_(std::min(seconds, kMostParts)) {}

std::size_t MetricWindow::PartLength() const noexcept {
  const auto end = [this](std::uint64_t part) { return part * seconds_ / most_parts_; };
  const std::uint64_t place = closed_ % most_parts_;
  return static_cast<std::size_t>(end(place + 1) - end(place));
}

bool MetricWindow::Add(const Interval& second) {
  if (open_seconds_ == 0) open_begin_ = second.second;
  AddMeasure(scenario_, path_, second, open_);
  ++open_seconds_;
  if (open_seconds_ < PartLength()) return false;
  Close();
  return parts_.size() == most_parts_;
}

void MetricWindow::Close() {
  Part part;
  part.begin = open_begin_;
  part.seconds = open_seconds_;
  part.count = open_.count;
  part.samples = open_.samples;
  part.min = open_.times.Min();
  part.max = open_.times.Max();
  open_.times.ForEachBucket([&](std::int64_t low, std::int64_t, std::uint64_t count) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    const auto index = static_cast<std::uint32_t>(open_.times.IndexOf(low));
    for (; count > 0; count -= std::min(count, kMost)) {
      part.buckets.emplace_back(index, static_cast<std::uint32_t>(std::min(count, kMost)));
    }
  });
  part.buckets.shrink_to_fit();
  parts_.push_back(std::move(part));
  if (parts_.size() > most_parts_) parts_.pop_front();
  ++closed_;
  open_.Reset();
  open_seconds_ = 0;
}

void MetricWindow::Unpack(const Part& part, Measure& into) {
  into.count += part.count;
  into.samples += part.samples;
  stats::Histogram& times = into.times;
  const std::size_t lowest = times.IndexOf(part.min);
  const std::size_t highest = times.IndexOf(part.max);
  bool min_told = false;
  bool max_told = part.min == part.max;
  for (auto [index, count] : part.buckets) {
    // The extremes are known exactly; they stand for one value each.
    if (index == lowest && !min_told) {
      times.Record(part.min);
      min_told = true;
      --count;
    }
    if (index == highest && !max_told && count > 0) {
      times.Record(part.max);
      max_told = true;
      --count;
    }
    const std::int64_t low = times.LowestAt(index);
    const std::int64_t middle = low + (times.HighestAt(index) - low) / 2;
    times.Record(std::clamp(middle, part.min, part.max), count);
  }
}

Measure MetricWindow::Seen() const {
  Measure seen;
  for (const Part& part : parts_) Unpack(part, seen);
  return seen;
}

std::size_t MetricWindow::TakeRest() {
  if (open_seconds_ == 0) return 0;
  Close();
  std::size_t length = 0;
  for (const Part& part : parts_) length += part.seconds;
  for (; length > seconds_; parts_.pop_front()) length -= parts_.front().seconds;
  return length;
}

std::size_t MetricWindow::MemoryBytes() const noexcept {
  std::size_t bytes = sizeof *this + open_.times.MemoryBytes() + parts_.size() * sizeof(Part);
  for (const Part& part : parts_) bytes += part.buckets.capacity() * sizeof(part.buckets[0]);
  return bytes;
}

}  // namespace perf::load
