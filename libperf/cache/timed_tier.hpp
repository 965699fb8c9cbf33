// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/cache/second_tier.hpp"
#include "libperf/metrics/log_histogram.hpp"

namespace perf::cache {

/// What is asked of a second tier, as metrics tell it apart.
enum class TierOperation : std::uint8_t { kGet, kSet, kDelete, kTags, kLock };
inline constexpr std::size_t kTierOperations = 5;
/// "get", "set", "delete", "tags" or "lock".
PERF_EXPORT std::string_view Name(TierOperation operation) noexcept;

/// How long requests to a second tier took, however they ended.
/// Thread safety: as of the histograms.
struct TierTimes {
  std::array<metrics::LogHistogram, kTierOperations> by_operation;
  metrics::LogHistogram& Of(TierOperation operation) noexcept {
    return by_operation[static_cast<std::size_t>(operation)];
  }
  const metrics::LogHistogram& Of(TierOperation operation) const noexcept {
    return by_operation[static_cast<std::size_t>(operation)];
  }
};

/// A second tier that hands everything on to another and measures how long it takes.
/// Thread safety and lifetime: those of the other, which it holds. Adds one allocation a request.
class PERF_EXPORT TimedTier final : public SecondTier {
 public:
  explicit TimedTier(std::shared_ptr<SecondTier> tier);
  ~TimedTier() override;

  void Get(std::string key, Deadline deadline, Done<TierValue> done) override;
  void Set(std::string key, std::string bytes, Duration ttl, SetCondition condition,
           Deadline deadline, Done<TierWritten> done) override;
  void Remove(std::vector<std::string> keys, Deadline deadline, Done<TierStatus> done) override;
  void RemovePrefix(std::string prefix, Deadline deadline, Done<TierStatus> done) override;
  void ReadTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) override;
  void BumpTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) override;
  void TryLock(std::string key, Duration ttl, Deadline deadline, Done<TierLock> done) override;
  void Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
             Done<TierStatus> done) override;
  void Unlock(std::string key, std::uint64_t fence) override;

  bool Reachable() const noexcept override;
  bool Coherent() const noexcept override;
  TimePoint CoherentUntil() const noexcept override;
  void AddMetrics(const std::string& cache, metrics::Collection& collection) const override;
  void SetListener(TierListener* listener) override;

  const TierTimes& Times() const noexcept { return *times_; }
  SecondTier& Other() noexcept { return *tier_; }

 private:
  template <typename T>
  Done<T> Timed(TierOperation operation, Done<T> done);
  const std::shared_ptr<SecondTier> tier_;
  const std::shared_ptr<TierTimes> times_;  // held by what is under way, too
};

}  // namespace perf::cache
