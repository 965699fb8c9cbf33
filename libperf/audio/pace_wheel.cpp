// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/pace_wheel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::audio {
namespace {

/// A minute: whoever is that late is counted as that late, and as saturated.
constexpr stats::HistogramConfig kLateUs{1, 60'000'000, 3};
/// More passes than ever are.
constexpr std::uint64_t kEnded = std::uint64_t{1} << 62;
constexpr Duration kLongestPeriod = std::chrono::minutes(1);

}  // namespace

PaceTally::PaceTally() : late_us_(kLateUs) {
  // Pages that were never touched would be allocated by the thread that must not.
  for (std::size_t i = 0; i < late_us_.BucketCount(); i += 64) {
    late_us_.Record(late_us_.LowestAt(i), 0);
  }
}

void PaceTally::Forget() noexcept {
  late_us_.Reset();
  over_period_ = 0;
}

void PaceTally::Merge(const PaceTally& other) {
  late_us_.Merge(other.late_us_);
  over_period_ += other.over_period_;
}

PaceWheel::Ring::Ring(Duration length, std::size_t count)
    : period(length), owned(count), buckets(count) {}

PaceWheel::PaceWheel(TimePoint start, Duration tick) : tick_(tick), next_due_(start) {
  if (tick <= Duration::zero()) throw ConfigError("a pacer's tick must be longer than nothing");
}

PaceWheel::~PaceWheel() = default;

PaceWheel::Ring& PaceWheel::RingOf(Duration period) {
  if (period <= Duration::zero() || period > kLongestPeriod || period % tick_ != Duration::zero()) {
    throw ConfigError(
        fmt::format("a period of {} cannot be paced: it must be a multiple of {}, up "
                    "to {}",
                    FormatDuration(period), FormatDuration(tick_), FormatDuration(kLongestPeriod)));
  }
  for (const auto& ring : owned_rings_) {
    if (ring->period == period) return *ring;
  }
  if (owned_rings_.size() == kMaxPeriods) {
    throw ConfigError(fmt::format("a pacer has at most {} lengths of periods", kMaxPeriods));
  }
  owned_rings_.push_back(std::make_unique<Ring>(period, static_cast<std::size_t>(period / tick_)));
  rings_[owned_rings_.size() - 1].store(owned_rings_.back().get(), std::memory_order_release);
  return *owned_rings_.back();
}

void PaceWheel::Replace(Ring& ring, std::size_t index, Bucket bucket) {
  auto fresh = bucket.empty() ? nullptr : std::make_unique<const Bucket>(std::move(bucket));
  ring.buckets[index].store(fresh.get(), std::memory_order_seq_cst);
  std::swap(ring.owned[index], fresh);
  if (fresh) retired_.push_back({std::move(fresh), Passes() + 1});
}

void PaceWheel::Add(std::span<Paced* const> streams, Duration period) {
  const std::lock_guard lock(mutex_);
  Ring& ring = RingOf(period);
  const std::uint64_t passes = Passes();
  std::erase_if(retired_, [&](const Retired& old) { return old.pass <= passes; });
  std::vector<Bucket> buckets;
  for (const auto& bucket : ring.owned) buckets.push_back(bucket ? *bucket : Bucket());
  std::vector<bool> changed(buckets.size());
  for (Paced* const stream : streams) {
    const auto emptiest =
        std::min_element(buckets.begin(), buckets.end(),
                         [](const Bucket& a, const Bucket& b) { return a.size() < b.size(); });
    emptiest->push_back(stream);
    changed[static_cast<std::size_t>(emptiest - buckets.begin())] = true;
  }
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (changed[i]) Replace(ring, i, std::move(buckets[i]));
  }
  size_.fetch_add(streams.size(), std::memory_order_seq_cst);
}

std::uint64_t PaceWheel::Remove(std::span<Paced* const> streams) {
  std::vector<Paced*> leaving(streams.begin(), streams.end());
  std::sort(leaving.begin(), leaving.end());
  const std::lock_guard lock(mutex_);
  for (const auto& ring : owned_rings_) {
    for (std::size_t i = 0; i < ring->owned.size(); ++i) {
      if (!ring->owned[i]) continue;
      Bucket staying = *ring->owned[i];
      const std::size_t left = std::erase_if(staying, [&](Paced* stream) {
        return std::binary_search(leaving.begin(), leaving.end(), stream);
      });
      if (left == 0) continue;
      Replace(*ring, i, std::move(staying));
      size_.fetch_sub(left, std::memory_order_seq_cst);
    }
  }
  const std::uint64_t passes = Passes();
  std::erase_if(retired_, [&](const Retired& old) { return old.pass <= passes; });
  return passes + 1;
}

void PaceWheel::SkipTo(TimePoint now) noexcept {
  if (now <= next_due_) return;
  const auto ticks = (now - next_due_ + tick_ - Duration(1)) / tick_;
  next_due_ += ticks * tick_;
  tick_number_ += static_cast<std::uint64_t>(ticks);
}

void PaceWheel::End() noexcept {
  passes_.store(kEnded, std::memory_order_seq_cst);
  passes_.notify_all();
}

void PaceWheel::AwaitPass(std::uint64_t pass) const noexcept {
  for (std::uint64_t seen = Passes(); seen < pass && seen < kEnded; seen = Passes()) {
    passes_.wait(seen, std::memory_order_seq_cst);
  }
}

}  // namespace perf::audio
