// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/cache/memory/handle.hpp"
#include "libperf/cache/policy/policy.hpp"

namespace perf::cache {

class MemoryShard;
class PageSource;

/// The hash that a Memory wants of a key (XXH3 with a seed of the process, so that nobody outside
/// can choose keys that collide); the same for all caches of the process, not for others.
PERF_EXPORT std::uint64_t HashKey(std::string_view key) noexcept;

struct MemoryOptions {
  /// A name of PolicyKinds().
  std::string policy = "adaptive";
  /// Entries and weight (bytes) of the whole cache; 0 is unbounded, at least one is set. They are
  /// divided among the shards.
  Limits limits{1000, 50ULL << 20};
  /// 0: chosen by limits and processors; otherwise rounded down to a power of two, at most 256.
  unsigned shards = 0;
  /// For entries that are put without one; as PutOptions::ttl.
  Duration default_ttl = Duration::max();
  std::uint64_t seed = 1;
};

struct PutOptions {
  /// Nanoseconds are kept. Zero or less: expired at once, so nothing is stored and what the key
  /// held is removed. Duration::max(), or beyond what the clock can say: does not expire.
  std::optional<Duration> ttl;
  /// Counts against Limits::weight. 0: the bytes it takes (key, value, meta and kEntryOverhead).
  std::uint64_t weight = 0;
  /// Kept with the entry for the owner of the cache; at most Entry::kMaxMeta bytes.
  std::string_view meta;
  /// As Memory::Stamp() told it before the value was loaded: what was removed since is not stored.
  std::optional<std::uint64_t> stamp;
};

enum class PutResult : std::uint8_t {
  kStored,
  kReplaced,
  kNotAdmitted,  ///< The policy preferred what it has.
  kTooHeavy,     ///< Heavier than its shard may be, or a length beyond what an entry can have.
  kExpired,      ///< ttl <= 0.
  kOutdated,     ///< Removed since PutOptions::stamp: nothing was changed.
};

/// What happened since the cache was made, and what it holds.
struct MemoryStats {
  std::uint64_t hits = 0, misses = 0;
  std::uint64_t inserts = 0, updates = 0;
  std::uint64_t evictions = 0;     ///< To make room.
  std::uint64_t not_admitted = 0;  ///< New ones that had to go at once.
  std::uint64_t expirations = 0;   ///< Taken away because their time was over.
  std::uint64_t removals = 0;      ///< By Remove, RemoveIf, RemovePrefix, Clear, or a ttl <= 0.
  std::uint64_t refused = 0;       ///< kTooHeavy.
  std::uint64_t outdated = 0;      ///< kOutdated.
  std::uint64_t entries = 0;       ///< Expired ones that are not yet taken away included.
  std::uint64_t weight = 0;
  std::uint64_t payload_bytes = 0;   ///< Keys, values and meta.
  std::uint64_t overhead_bytes = 0;  ///< Everything allocated beyond the payload.
};

/// The first tier: a bounded cache of immutable bytes in memory, in shards.
///
/// A read takes no lock and writes nothing that other threads read in the common case (hazard
/// pointers, Michael 2004, with an asymmetric barrier; hits go to the policy through a small buffer
/// of the thread, drained under try_lock as in Caffeine). Entries expire at the nanosecond for who
/// reads; a hierarchical timer wheel (Varghese and Lauck, 1987), driven by writes and Expire(),
/// gives their memory back. Used by one thread, it evicts exactly what its policy says.
/// Thread safety: all methods. `hash` is HashKey(key). `now` is of perf::Clock; earlier than what a
/// writer has told before counts as that. No function of the caller is called under a lock.
class PERF_EXPORT Memory {
 public:
  /// What an entry counts beyond its own bytes when PutOptions::weight is 0.
  static constexpr std::size_t kEntryOverhead = 64;

  /// Throws: ConfigError for an unknown policy or two limits of 0.
  explicit Memory(const MemoryOptions& options);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Empty: absent or expired. Without `now` the clock is read only for entries that expire.
  Handle Get(std::string_view key, std::uint64_t hash);
  Handle Get(std::string_view key, std::uint64_t hash, TimePoint now);
  /// As Get, but neither counted nor told to the policy.
  Handle Peek(std::string_view key, std::uint64_t hash, TimePoint now);

  /// Copies key and value. Also when it says kTooHeavy or kNotAdmitted an older value is gone.
  PutResult Put(std::string_view key, std::uint64_t hash, std::string_view value, TimePoint now,
                const PutOptions& options = {});
  /// Changes whenever the key (or one of its neighbours) may have been removed.
  std::uint64_t Stamp(std::uint64_t hash) const noexcept;

  /// Whether it was there.
  bool Remove(std::string_view key, std::uint64_t hash);
  /// Only if the key still has this very entry.
  bool RemoveSame(const Handle& handle, std::uint64_t hash);
  /// Removes what `predicate` wants gone; entries written meanwhile may or may not be asked about.
  std::uint64_t RemoveIf(const std::function<bool(const Handle&)>& predicate);
  std::uint64_t RemovePrefix(std::string_view prefix);
  std::uint64_t Clear();
  /// Takes away what is expired; how many. No need to call it: writes do it, too.
  std::uint64_t Expire(TimePoint now);

  /// Shows what is held and not expired, shard by shard, in no order, until `show` says false;
  /// entries written meanwhile may or may not be among it.
  void ForEach(TimePoint now, const std::function<bool(Handle)>& show) const;
  MemoryStats Stats() const;
  std::size_t Shards() const noexcept { return shards_.size(); }
  std::string_view PolicyName() const noexcept { return policy_; }

 private:
  static constexpr std::size_t kAtOnce = 256;  // entries that a walk holds, or locks out others for

  MemoryShard& ShardOf(std::uint64_t hash) const noexcept;

  std::string policy_;
  Duration default_ttl_;
  int shift_ = 63;  // of the hash, twice: a shift by 64 is none
  std::unique_ptr<PageSource> pages_;
  std::vector<std::unique_ptr<MemoryShard>> shards_;
};

}  // namespace perf::cache
