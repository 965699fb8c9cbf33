// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "libperf/cache/memory/arena.hpp"
#include "libperf/cache/memory/hazards.hpp"
#include "libperf/cache/memory/hit_buffers.hpp"
#include "libperf/cache/memory/index.hpp"
#include "libperf/cache/memory/memory.hpp"
#include "libperf/cache/memory/slots.hpp"
#include "libperf/cache/memory/wheel.hpp"

namespace perf::cache {

/// A part of a Memory with a lock, a policy and an arena of its own; keys are divided by hash.
/// Thread safety: all public methods.
class alignas(64) MemoryShard {
 public:
  MemoryShard(PageSource& pages, std::string_view policy, const PolicyOptions& options,
              std::uint32_t own_buffers);
  /// Requires: nobody uses the shard; handles may live on (see Disown).
  ~MemoryShard();

  struct Query {
    std::string_view key;
    std::uint64_t hash;
  };
  /// What is written, complete but for the slot.
  struct Draft {
    std::string_view value;
    std::string_view meta;
    TimePoint now;
    Duration ttl;          // <= 0: only removes
    std::uint64_t weight;  // 0: its bytes
    std::optional<std::uint64_t> stamp;
  };

  /// kNow: a time that stands for "look at the clock if it matters".
  Handle Get(const Query& query, std::int64_t now);
  Handle Peek(const Query& query, std::int64_t now);
  PutResult Put(const Query& query, const Draft& draft);
  bool Remove(const Query& query);
  bool RemoveSame(const Handle& handle);
  std::uint64_t Expire(std::int64_t now);

  std::uint64_t Stamp(std::uint64_t hash) const noexcept;
  /// Makes all stamps outdated.
  void Outdate() noexcept { wide_stamp_.fetch_add(1, std::memory_order_acq_rel); }
  /// Up to `most` entries from a slot on, which it moves on; false when there are no more.
  bool Collect(Slot& from, std::size_t most, std::vector<Handle>& into);
  /// The same walk, removing what begins with the prefix.
  bool RemovePrefix(Slot& from, std::size_t most, std::string_view prefix, std::uint64_t& removed);

  void AddTo(MemoryStats& stats) const;
  /// Frees what no handle holds, before the shard goes. `held` is sorted; what stays is told:
  /// blocks of malloc, and all that is held. Requires: as the destructor.
  void Disown(const std::vector<const void*>& held, std::vector<void*>& blocks,
              std::vector<const void*>& stays);

  static constexpr std::int64_t kNow = kNeverExpires;

 private:
  struct Retired {
    void* address;
    EntryRef ref;
    std::uint32_t bytes;
  };
  /// The lock; what is to be given back to malloc is so after it was let go.
  class Locked {
   public:
    explicit Locked(MemoryShard& shard);
    ~Locked();

   private:
    MemoryShard& shard_;
    std::unique_lock<std::mutex> lock_;
  };
  enum class Why : std::uint8_t { kEvicted, kExpired, kRemoved };

  /// Without a lock: the entry of a key, held by `hazard`, or null.
  const Entry* Find(const Query& query, HazardRecord& thread, Hazard& hazard) const noexcept;
  IndexTable::Place FindLocked(const Query& query) const noexcept;
  Entry* EntryOf(Slot slot) noexcept { return arena_.Resolve(slots_[slot].ref); }
  struct Sized {
    std::size_t bytes;
    std::uint64_t weight;
    std::int64_t expires;
    void* block;  // of malloc, with the bytes in it, or null
  };
  PutResult PutLocked(const Query& query, const Draft& draft, Sized& sized);
  PutResult Insert(const Query& query, const Draft& draft, Sized& sized);
  PutResult Replace(const Query& query, const Draft& draft, Sized& sized, IndexTable::Place place);
  Arena::Block Build(const Query& query, const Draft& draft, Sized& sized, Slot slot);
  void Drop(Slot slot, Why why) noexcept;
  bool DropEvicted(Slot fresh) noexcept;
  void FetchNext() noexcept;
  void Tick(std::int64_t now) noexcept;
  std::uint64_t ExpireSome(std::size_t& most) noexcept;
  void ReclaimIfDue();
  void SetReclaim(std::size_t count, std::size_t bytes) noexcept;
  void GrowIndex();
  void Retire(void* address, EntryRef ref, std::size_t bytes);
  void Reclaim();
  void Bump(std::uint64_t hash) noexcept;

  // What readers read, and writers seldom write.
  std::atomic<IndexTable*> table_;
  std::atomic<std::int64_t> clock_{0};  // of the writers, a tick late
  Arena arena_;
  HitBuffers buffers_;
  const bool light_;
  static constexpr std::size_t kStamps = 64;
  std::atomic<std::uint32_t> wide_stamp_{0};
  std::array<std::atomic<std::uint32_t>, kStamps> stamps_{};

  alignas(64) mutable std::mutex mutex_;
  std::unique_ptr<Policy> policy_;
  Limits limits_;
  SlotTable slots_;
  TimerWheel wheel_;
  std::vector<Slot> evicted_;
  std::vector<Retired> retired_;
  std::size_t retired_bytes_ = 0, reclaim_at_ = 0, reclaim_bytes_at_ = 0;
  std::vector<const void*> held_;  // scratch of Reclaim
  std::vector<void*> trash_;
  std::size_t index_room_ = 0;  // entries that the table may still take
  std::uint64_t entries_ = 0, payload_ = 0;
  MemoryStats counts_;
};

}  // namespace perf::cache
