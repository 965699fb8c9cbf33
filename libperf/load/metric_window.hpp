// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/observe.hpp"

namespace perf::load {

/// The last `seconds` of one metric: what a windowed threshold is judged by. The window moves on
/// by whole seconds, one of more than kMostParts seconds in kMostParts parts of (nearly) the same
/// length; it always has exactly its length. Counts, smallest and largest values are exact,
/// quantiles within the histogram's resolution, means within half of it.
/// Thread safety: none. Lifetime: borrows the scenario.
/// Memory: 8 bytes for each bucket of the histogram that a part has values in: a few KiB a part,
/// however long the window.
class PERF_EXPORT MetricWindow {
 public:
  static constexpr std::size_t kMostParts = 60;

  /// Requires: seconds >= 1.
  MetricWindow(const Scenario& scenario, const MetricPath& path, std::size_t seconds);

  /// Takes the next second of the run; true when a whole window ends with it.
  bool Add(const Interval& second);
  /// Where the window begins, in seconds of the run.
  std::int64_t Begin() const noexcept {
    return parts_.empty() ? open_begin_ : parts_.front().begin;
  }
  /// What was measured in the window.
  Measure Seen() const;
  /// The seconds since the last whole window, and before them as many parts as fill it up: for
  /// the end of a run, lest its last seconds be judged by nobody. Zero: there are none.
  std::size_t TakeRest();
  std::size_t MemoryBytes() const noexcept;

 private:
  struct Part {
    std::int64_t begin = 0;
    std::size_t seconds = 0;
    std::uint64_t count = 0;
    std::uint64_t samples = 0;
    std::int64_t min = 0, max = 0;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> buckets;  // number, count
  };
  /// Seconds of the part that is being filled: any kMostParts in a row make a whole window.
  std::size_t PartLength() const noexcept;
  void Close();
  static void Unpack(const Part& part, Measure& into);

  const Scenario& scenario_;
  MetricPath path_;
  std::size_t seconds_;
  std::size_t most_parts_;
  std::deque<Part> parts_;
  std::uint64_t closed_ = 0;  // parts so far
  Measure open_;
  std::int64_t open_begin_ = 0;
  std::size_t open_seconds_ = 0;
};

}  // namespace perf::load
