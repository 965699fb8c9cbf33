// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/redis_tier.hpp"
#include "libperf/backends/redis_tier_scripts.hpp"

namespace perf::backends {

/// The parts of a RedisTier. What is not said to be otherwise belongs to the loop's thread.
/// Lifetime: kept by its tasks; the hub outlives those.
struct RedisTierState : std::enable_shared_from_this<RedisTierState> {
  RedisTierState(RedisTierHub& the_hub, RedisTierOptions the_options);

  void Open();
  void Close();

  /// One command, about one key, with breaker and deadline. `write`: over the link of
  /// invalidations where there is one. Lifetime: the references outlive the task.
  Task<void> Ask(const std::vector<std::string>& words, const std::string& name, bool write,
                 RedisReply& reply, Deadline deadline);
  /// A script, by its digest, or by its text where the server does not know it.
  Task<void> Ask(const RedisScript& script, std::vector<std::string> keys,
                 std::vector<std::string> arguments, bool write, RedisReply& reply,
                 Deadline deadline);
  /// What the script `get` gives, by two plain commands over the link of invalidations, which cost
  /// the server a fifth of it: should somebody write between them, we are told of that. False: the
  /// link could not; nothing is known. Lifetime: the references outlive the task.
  Task<bool> GetByLink(const std::string& name, RedisReply& reply, Deadline deadline);
  /// `one(i)` for each i below `count`, all at once; ends when all have.
  using Each = std::function<Task<void>(std::size_t)>;
  Task<void> Gather(std::size_t count, const Each& one);

  void Count(RedisTierStats::Request request, cache::TierStatus status) noexcept;
  Deadline Bound(Deadline deadline) const;
  bool IsCluster() const noexcept { return hub.Config().layout == RedisLayout::kCluster; }

  // Our own writes by script, which the server reports as if they were another's.
  void NoteOwn(const std::string& name, std::string_view bytes);
  void ForgetOwn(const std::string& name) { own.erase(name); }
  void OnNames(std::vector<std::string> names);
  bool IsOwn(const std::string& name);
  void VerifyOwn(std::string name);

  /// Any thread; waits for a call that is running on another one.
  void SetListener(cache::TierListener* the_listener);
  void Tell(const std::function<void(cache::TierListener&)>& what);
  void TellNames(const std::vector<std::string>& names);

  RedisTierHub& hub;
  const RedisTierOptions options;
  const RedisTierNames names;
  std::shared_ptr<RedisTracking> tracking;  // null: none; set before the first request

  struct Own {
    std::string stamp;
    TimePoint until{};
  };
  std::map<std::string, Own, std::less<>> own;
  std::deque<std::pair<TimePoint, std::string>> own_ages;

  // Any thread:
  std::atomic<std::uint64_t> under_way{0};
  std::array<std::array<std::atomic<std::uint64_t>, RedisTierStats::kStatuses>,
             RedisTierStats::kRequests>
      requests{};
  std::atomic<std::uint64_t> keys_told{0}, tags_told{0}, own_writes{0};
  std::mutex mutex;
  std::condition_variable idle;
  cache::TierListener* listener = nullptr;
  unsigned telling = 0;
};

/// What a failure is to the cache.
cache::TierStatus StatusOf(const Failure& failure) noexcept;

// The requests; each calls `done` once.
using RedisTierPtr = std::shared_ptr<RedisTierState>;
Task<void> TierGet(RedisTierPtr self, std::string key, Deadline deadline,
                   cache::SecondTier::Done<cache::TierValue> done);
struct TierSetRequest {
  std::string key;
  std::string bytes;
  Duration ttl{};
  cache::SetCondition condition;
};
Task<void> TierSet(RedisTierPtr self, TierSetRequest request, Deadline deadline,
                   cache::SecondTier::Done<cache::TierWritten> done);
Task<void> TierRemove(RedisTierPtr self, std::vector<std::string> keys, Deadline deadline,
                      cache::SecondTier::Done<cache::TierStatus> done);
Task<void> TierRemovePrefix(RedisTierPtr self, std::string prefix, Deadline deadline,
                            cache::SecondTier::Done<cache::TierStatus> done);
Task<void> TierTagsOf(RedisTierPtr self, std::vector<cache::TagQuery> tags, bool bump,
                      Deadline deadline, cache::SecondTier::Done<cache::TierTags> done);
Task<void> TierTryLock(RedisTierPtr self, std::string key, Duration ttl, Deadline deadline,
                       cache::SecondTier::Done<cache::TierLock> done);
Task<void> TierRenew(RedisTierPtr self, std::string key, std::uint64_t fence, Duration ttl,
                     Deadline deadline, cache::SecondTier::Done<cache::TierStatus> done);
Task<void> TierUnlock(RedisTierPtr self, std::string key, std::string holder);

}  // namespace perf::backends
