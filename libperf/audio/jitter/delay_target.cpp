// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/jitter/delay_target.hpp"

#include <algorithm>

namespace perf::audio {
namespace {

constexpr Duration kWindow = std::chrono::seconds(2);
/// A packet weighs 1/144 more than the one before: half of the weight is in the last hundred.
constexpr std::uint64_t kGrowth = 144, kFirstWeight = std::uint64_t{1} << 16;
constexpr std::uint64_t kMostWeight = std::uint64_t{1} << 48;
/// Three of a hundred may come too late.
constexpr std::uint64_t kLate = 3, kOf = 100;
constexpr std::uint64_t kPacketsToTrust = 25;
/// More is another time base, of which its owner will learn.
constexpr Duration kMostRelative = std::chrono::seconds(1);

}  // namespace

Duration DelayTarget::Add(TimePoint now, Duration transit) noexcept {
  if (!begun_) {
    begun_ = true;
    window_start_ = now;
    lowest_ = lowest_before_ = transit;
  } else if (now - window_start_ >= kWindow) {
    window_start_ = now;
    lowest_before_ = lowest_;
    lowest_ = transit;
  }
  lowest_ = std::min(lowest_, transit);
  const Duration relative = transit - std::min(lowest_, lowest_before_);
  if (relative <= kMostRelative) Count(relative);
  return relative;
}

void DelayTarget::Count(Duration relative) noexcept {
  weight_ = weight_ == 0 ? kFirstWeight : weight_ + weight_ / kGrowth;
  if (weight_ > kMostWeight) {
    total_ = 0;
    for (std::uint64_t& weight : weights_) total_ += weight /= kMostWeight / kFirstWeight;
    weight_ = kFirstWeight;
  }
  const auto bucket = static_cast<std::size_t>(relative / kWidth);
  weights_[std::min(bucket, kBuckets - 1)] += weight_;
  total_ += weight_;
  if (++packets_ < kPacketsToTrust) return;
  std::uint64_t above = 0;
  std::size_t highest = kBuckets;
  while (highest > 1 && (above + weights_[highest - 1]) * kOf <= total_ * kLate) {
    above += weights_[--highest];
  }
  target_ = kWidth * static_cast<std::int64_t>(highest);
}

Duration DelayTarget::Target(Duration margin) const noexcept {
  return std::clamp(target_ + (packets_ < kPacketsToTrust ? Duration() : margin), least_, most_);
}

}  // namespace perf::audio
