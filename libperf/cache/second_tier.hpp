// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::metrics {
class Collection;
}

namespace perf::cache {

/// How a request to the second tier ended.
enum class TierStatus : std::uint8_t {
  kOk,
  kAbsent,   ///< Get: no such key.
  kRefused,  ///< Set: the condition does not hold; TryLock: somebody else holds it.
  kTimeout,  ///< The deadline passed: whether a write took place is not known.
  kFailed,   ///< The tier answered with an error, or the connection broke.
  kDown,     ///< Not asked at all (breaker open, nothing connected): answered at once.
};

/// "ok", "absent", "refused", "timeout", "failed" or "down".
PERF_EXPORT std::string_view Name(TierStatus status) noexcept;

/// When a Set may take place. The tier compares `stamp` with the 8 bytes at kStampOffset of what it
/// holds (big endian; a key that is not there, or a value too short, has the stamp 0).
struct SetCondition {
  enum class Kind : std::uint8_t {
    kAlways,
    kUnlessNewer,  ///< Refused when what is held has a stamp greater than `stamp`.
    kIfSame,       ///< Refused unless what is held has exactly `stamp`.
  };
  Kind kind = Kind::kAlways;
  std::uint64_t stamp = 0;
  /// Fencing: refused when a later lock on this key was given out. 0: no lock was taken.
  std::uint64_t fence = 0;
  /// The listener hears of this write in any case, after all that it replaces: what is in memory
  /// may be older than what others wrote before, of which a tier may not tell when ours is the
  /// last.
  bool heard = false;
};
inline constexpr std::size_t kStampOffset = 8;

struct TierValue {
  TierStatus status = TierStatus::kAbsent;
  std::string bytes;
  /// What is left of the TTL; Duration::max() for a value without one.
  Duration remaining{};
};

struct TierWritten {
  TierStatus status = TierStatus::kFailed;
  /// With kRefused by a condition: the stamp that is held.
  std::uint64_t stamp = 0;
};

struct TierLock {
  TierStatus status = TierStatus::kFailed;
  /// With kOk: greater than that of each lock on this key before (never 0).
  std::uint64_t fence = 0;
};

/// A tag and what the caller knows of its generation; generations stay below 2^53.
struct TagQuery {
  std::string tag;
  /// The generation is at least this (0: nothing known).
  std::uint64_t floor = 0;
  /// What a tag becomes that is not stored, when `floor` is 0.
  std::uint64_t initial = 0;
};

struct TierTags {
  TierStatus status = TierStatus::kFailed;
  /// With kOk: one for each query, in its order.
  std::vector<std::uint64_t> generations;
};

/// What the second tier tells the cache; implemented by the cache.
/// Thread safety: called from any thread, never inside a call into the tier and with no lock held.
class PERF_EXPORT TierListener {
 public:
  virtual ~TierListener();
  /// Somebody wrote or removed these keys (named as in Get), or they expired. A tier that can tell
  /// our own writes apart leaves them out (but SetCondition::heard); reporting them costs one more
  /// Get.
  virtual void OnKeys(std::span<const std::string> keys) = 0;
  /// The generations of these tags have changed, or their keys were lost.
  virtual void OnTags(std::span<const std::string> tags) = 0;
  /// Invalidations may have been lost (link lost or late, null message): all held is suspect.
  virtual void OnEverything() = 0;
  /// Reachable() or Coherent() may have changed.
  virtual void OnState() = 0;
};

/// The second tier: moves opaque frames, keeps tag generations, gives out locks. Several processes
/// share one. Keys and tags are the caller's bytes of one cache; the tier adds its own prefix.
///
/// Each request calls `done` exactly once, on a thread of the tier's choice, never inside the call
/// and with no lock held; at the latest at its deadline (kTimeout) and also when the tier is being
/// destroyed. `done` is quick, does not throw and may call the tier again.
/// Thread safety: all methods, from any thread; none of them blocks.
/// Lifetime: outlives the cache that uses it; after SetListener(nullptr) has returned, no listener
/// call is running or will come.
class PERF_EXPORT SecondTier {
 public:
  template <typename Answer>
  using Done = std::function<void(Answer)>;

  SecondTier() = default;
  SecondTier(const SecondTier&) = delete;
  SecondTier& operator=(const SecondTier&) = delete;
  virtual ~SecondTier();

  virtual void Get(std::string key, Deadline deadline, Done<TierValue> done) = 0;
  /// ttl: > 0; Duration::max() is for ever; rounded up to what the tier can keep. Atomic with its
  /// condition.
  virtual void Set(std::string key, std::string bytes, Duration ttl, SetCondition condition,
                   Deadline deadline, Done<TierWritten> done) = 0;
  /// kOk, whether or not they were there.
  virtual void Remove(std::vector<std::string> keys, Deadline deadline, Done<TierStatus> done) = 0;
  /// Removes all keys that begin with `prefix` ("" is all of this cache); generations and locks
  /// stay. May take a number of rounds; values that are written meanwhile may or may not stay.
  virtual void RemovePrefix(std::string prefix, Deadline deadline, Done<TierStatus> done) = 0;
  /// generation = max(stored, floor), or `initial` when neither is known; stored if that changed
  /// it.
  virtual void ReadTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) = 0;
  /// generation = max(stored + 1, floor), stored for ever; O(1) a tag.
  virtual void BumpTags(std::vector<TagQuery> tags, Deadline deadline, Done<TierTags> done) = 0;
  /// One attempt, no waiting; held for at most `ttl` unless unlocked.
  virtual void TryLock(std::string key, Duration ttl, Deadline deadline, Done<TierLock> done) = 0;
  /// The lock that `fence` holds is held for `ttl` from now on. kRefused: it does not hold it.
  virtual void Renew(std::string key, std::uint64_t fence, Duration ttl, Deadline deadline,
                     Done<TierStatus> done) = 0;
  /// Does nothing when `fence` is not the one that holds it. No answer: the TTL is the net.
  virtual void Unlock(std::string key, std::uint64_t fence) = 0;

  /// False while requests would be answered kDown.
  virtual bool Reachable() const noexcept = 0;
  /// True while invalidations arrive in time, so that what is held in memory may be believed.
  virtual bool Coherent() const noexcept = 0;
  /// What it has to tell of itself, as families perfkit_cache_tier_… and perfkit_cache_tracking_…
  /// with the labels `cache` and `tier`; nothing as it stands.
  virtual void AddMetrics(const std::string& cache, metrics::Collection& collection) const;
  /// One at most; nullptr takes it away and waits for a running call to end.
  virtual void SetListener(TierListener* listener) = 0;
  /// Until when (of perf::Clock) Coherent() holds unless something is said against it: a tier whose
  /// thread is kept from running cannot say that it is late. As it stands for ever, or never.
  virtual TimePoint CoherentUntil() const noexcept;
};

}  // namespace perf::cache
