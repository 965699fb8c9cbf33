// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/redis_tier_hub.hpp"
#include "libperf/backends/redis_tracking.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/cache/second_tier.hpp"

namespace perf::backends {

struct RedisTierState;

struct RedisTierOptions {
  /// What the names of this cache's keys begin with: not empty, no braces.
  std::string prefix = "perfkit:cache:";
  /// Follow what other processes write. Without it nothing is coherent, and memory believes what it
  /// has until it expires.
  bool coherence = true;
  /// Leave our own writes out of what the listener hears.
  bool own_writes_out = true;
  /// Its prefixes and no_loop are set by the tier.
  RedisTrackingOptions tracking;
  /// No request waits longer, whatever its deadline.
  Duration longest = std::chrono::seconds(10);
};

/// What became of requests since the tier was made.
struct RedisTierStats {
  enum Request : std::uint8_t {
    kGet,
    kSet,
    kRemove,
    kRemovePrefix,
    kReadTags,
    kBumpTags,
    kTryLock,
    kRenew
  };
  static constexpr int kRequests = 8;
  static constexpr int kStatuses = 6;
  /// By request and cache::TierStatus.
  std::array<std::array<std::uint64_t, kStatuses>, kRequests> requests{};
  std::uint64_t keys_told = 0;  // to the listener
  std::uint64_t tags_told = 0;
  std::uint64_t own_writes = 0;  // that were recognised and not told
  RedisTrackingStats tracking;
  RedisTierHub::Figures hub;
};

/// "get", "set", "remove", "remove_prefix", "read_tags", "bump_tags", "try_lock" or "renew".
PERF_EXPORT std::string_view Name(RedisTierStats::Request request) noexcept;

/// The cache's second tier in Redis 6 or later: one server, a primary with Sentinels or without, or
/// a cluster.
///
/// A value is a string under PREFIXv{:KEY}, with PX; a tag's generation one under PREFIXt{:TAG}; a
/// lock one under PREFIXl{:KEY}, its last fence under PREFIXf{:KEY}. Requests go, in the order of
/// the calls and without waiting for one another, over the one link that asked the server for
/// invalidations, so that what they write need not come back to us. Without that link, and for
/// writes above 64 KiB, they go over the hub's pool, in any order.
/// Requests that were not sent for lack of a connection are kDown.
/// What a Redis that fails over loses of acknowledged writes, generations and locks, is lost here.
/// Thread safety: all methods. Lifetime: holds its hub; the destructor answers what is under way,
/// which takes up to the requests' deadlines where others share the hub.
class PERF_EXPORT RedisTier final : public cache::SecondTier {
 public:
  /// Throws: ConfigError.
  RedisTier(std::shared_ptr<RedisTierHub> hub, RedisTierOptions options);
  /// With a hub of its own.
  RedisTier(std::string_view url, RedisTierOptions options);
  ~RedisTier() override;

  void Get(std::string key, Deadline deadline, Done<cache::TierValue> done) override;
  void Set(std::string key, std::string bytes, Duration ttl, cache::SetCondition condition,
           Deadline deadline, Done<cache::TierWritten> done) override;
  void Remove(std::vector<std::string> keys, Deadline deadline,
              Done<cache::TierStatus> done) override;
  void RemovePrefix(std::string prefix, Deadline deadline, Done<cache::TierStatus> done) override;
  void ReadTags(std::vector<cache::TagQuery> tags, Deadline deadline,
                Done<cache::TierTags> done) override;
  void BumpTags(std::vector<cache::TagQuery> tags, Deadline deadline,
                Done<cache::TierTags> done) override;
  void TryLock(std::string key, Duration ttl, Deadline deadline,
               Done<cache::TierLock> done) override;
  void Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
             Done<cache::TierStatus> done) override;
  void Unlock(std::string key, std::uint64_t fence) override;

  bool Reachable() const noexcept override;
  bool Coherent() const noexcept override;
  TimePoint CoherentUntil() const noexcept override;
  /// Breaker, connections, requests and invalidation links; of the first two, those of the hub.
  void AddMetrics(const std::string& cache, metrics::Collection& collection) const override;
  void SetListener(cache::TierListener* listener) override;

  RedisTierStats Stats() const;
  /// {reachable, coherent, breaker{…}, tracking{…}, requests{…}}
  Json ToJson() const;

 private:
  void OnLoop(const std::function<void()>& run);
  void Begin(std::function<Task<void>()> task);
  std::shared_ptr<RedisTierHub> hub_;
  std::shared_ptr<RedisTierState> state_;
};

}  // namespace perf::backends
