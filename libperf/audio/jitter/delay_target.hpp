// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "libperf/base/clock.hpp"

namespace perf::audio {

/// How long packets should wait so that 97 % of them come in time: the quantile of how much later
/// they come than the fastest of the last two to four seconds, the recent ones weighing more (in
/// the manner of NetEq's delay manager). Integers only: the same on every machine. Thread safety:
/// none. Memory: what it is, 1.7 KiB.
class DelayTarget {
 public:
  DelayTarget(Duration least, Duration most, Duration start) noexcept
      : least_(least), most_(most), target_(start) {}

  /// A packet whose arrival minus media time is `transit` (from anywhere); how much that is above
  /// the least of the window.
  Duration Add(TimePoint now, Duration transit) noexcept;
  /// The media time begins anew: transit times cannot be compared with those before.
  void Rebase() noexcept { begun_ = false; }
  /// Between the bounds; grows by `margin`, which the reader needs beyond being in time.
  Duration Target(Duration margin) const noexcept;

 private:
  static constexpr std::size_t kBuckets = 200;
  static constexpr Duration kWidth = std::chrono::milliseconds(5);

  void Count(Duration relative) noexcept;

  Duration least_, most_, target_;
  bool begun_ = false;
  TimePoint window_start_{};
  Duration lowest_{}, lowest_before_{};  // of this window, of the one before
  std::array<std::uint64_t, kBuckets> weights_{};
  std::uint64_t total_ = 0, weight_ = 0;
  std::uint64_t packets_ = 0;
};

}  // namespace perf::audio
