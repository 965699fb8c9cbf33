// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "libperf/base/quick_clock.hpp"
#include "libperf/cache/memory/shard.hpp"

// What a shard does without its lock, and how it gives memory back that readers may still hold.
namespace perf::cache {

namespace {

/// Most keys are short, and a call of memcmp takes as long as the rest of a look-up.
inline bool SameKey(std::string_view one, std::string_view other) noexcept {
  const std::size_t size = one.size();
  if (size != other.size()) return false;
  if (size < 8 || size > 32) return one == other;
  const auto differ = [&](std::size_t at) {
    std::uint64_t a = 0, b = 0;
    std::memcpy(&a, one.data() + at, 8);
    std::memcpy(&b, other.data() + at, 8);
    return a ^ b;
  };
  std::uint64_t difference = differ(0) | differ(size - 8);
  if (size > 16) difference |= differ(8) | differ(size - 16);
  return difference == 0;
}

}  // namespace

const Entry* MemoryShard::Find(const Query& query, HazardRecord& thread,
                               Hazard& hazard) const noexcept {
  const std::uint8_t tag = IndexTable::TagOf(query.hash);
  while (true) {
    IndexTable* const table = table_.load(std::memory_order_seq_cst);
    if (thread.Walked().Held(std::memory_order_relaxed) != table) {
      PublishHazard(thread.Walked(), table, light_);
      if (table_.load(std::memory_order_seq_cst) != table) continue;
    }
    bool moved = false;
    std::size_t left = table->Size();  // buckets of a small table may all have been passed
    for (std::size_t i = table->Home(query.hash); !moved; i = table->Next(i)) {
      const IndexTable::Bucket& bucket = table->At(i);
      const std::uint64_t high = bucket.high.load(std::memory_order_acquire);
      const std::uint64_t low = bucket.low.load(std::memory_order_acquire);
      for (unsigned matches = bucket.Matches(low, high, tag); matches != 0;
           matches &= matches - 1) {
        const auto& cell = bucket.refs[static_cast<unsigned>(std::countr_zero(matches))];
        const EntryRef ref = cell.load(std::memory_order_acquire);
        if (ref == 0) continue;
        const Entry* const entry = arena_.Resolve(ref);
        // Key and value seldom lie in the entry's first cache line alone.
        __builtin_prefetch(reinterpret_cast<const char*>(entry) + 64);
        PublishHazard(hazard, entry, light_);
        // Still there after the hazard could be seen: whoever takes it away now sees the hazard.
        // A table that was replaced meanwhile tells nothing, for removals are not written to it.
        moved = cell.load(std::memory_order_seq_cst) != ref || arena_.Resolve(ref) != entry ||
                table_.load(std::memory_order_seq_cst) != table;
        if (moved) break;
        if (SameKey(entry->Key(), query.key)) return entry;
      }
      if (!moved && (!IndexTable::Bucket::Passed(high) || --left == 0)) {
        hazard.Hold(nullptr, std::memory_order_release);
        return nullptr;
      }
    }
  }
}

Handle MemoryShard::Peek(const Query& query, std::int64_t now) {
  HazardRecord& thread = HazardRecord::Mine();
  Hazard& hazard = thread.Claim();
  const Entry* const entry = Find(query, thread, hazard);
  if (entry == nullptr) return {};
  const std::int64_t expires = entry->Expires().time_since_epoch().count();
  if (expires != kNeverExpires) {
    if (now == kNow) now = QuickNow().time_since_epoch().count();
    if (std::max(now, clock_.load(std::memory_order_relaxed)) >= expires) {
      hazard.Hold(nullptr, std::memory_order_release);
      return {};
    }
  }
  return {entry, &hazard};
}

Handle MemoryShard::Get(const Query& query, std::int64_t now) {
  Handle found = Peek(query, now);
  HitBuffer& buffer = buffers_.Of(HazardRecord::Mine());
  if (!found) {
    buffers_.Miss(buffer);
  } else if (buffers_.Hit(buffer, found.entry_->Slot())) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock.owns_lock()) {
      buffers_.Drain(buffer, *policy_);
    } else {
      buffers_.Lose(buffer);
    }
  }
  return found;
}

IndexTable::Place MemoryShard::FindLocked(const Query& query) const noexcept {
  const IndexTable& table = *table_.load(std::memory_order_relaxed);
  const std::uint8_t tag = IndexTable::TagOf(query.hash);
  std::size_t left = table.Size();
  for (std::size_t i = table.Home(query.hash);; i = table.Next(i)) {
    IndexTable::Bucket& bucket = table.At(i);
    const std::uint64_t high = bucket.high.load(std::memory_order_relaxed);
    unsigned matches = bucket.Matches(bucket.low.load(std::memory_order_relaxed), high, tag);
    for (; matches != 0; matches &= matches - 1) {
      const auto at = static_cast<unsigned>(std::countr_zero(matches));
      const EntryRef ref = bucket.refs[at].load(std::memory_order_relaxed);
      if (SameKey(arena_.Resolve(ref)->Key(), query.key)) return {&bucket, at};
    }
    if (!IndexTable::Bucket::Passed(high) || --left == 0) return {};
  }
}

void MemoryShard::GrowIndex() {
  IndexTable* const old = table_.load(std::memory_order_relaxed);
  std::size_t buckets = old->Size() * 2;
  // A bound that is known is met exactly; otherwise smaller steps waste less.
  if (limits_.entries == 0) {
    buckets = old->Size() * 3 / 2;
  } else if (old->Size() < IndexTable::BucketsFor(limits_.entries)) {
    buckets = std::min(buckets, IndexTable::BucketsFor(limits_.entries));
  }
  auto grown = std::make_unique<IndexTable>(buckets);
  old->ForEach([&](EntryRef ref) { grown->Insert(ref, HashKey(arena_.Resolve(ref)->Key())); });
  index_room_ = IndexTable::RoomOf(buckets) - static_cast<std::size_t>(entries_);
  table_.store(grown.release(), std::memory_order_seq_cst);
  Retire(old, 0, old->Bytes());
}

void MemoryShard::Retire(void* address, EntryRef ref, std::size_t bytes) {
  retired_.push_back({address, ref, static_cast<std::uint32_t>(bytes)});
  retired_bytes_ += bytes;
}

/// When it is worth while to look again, given what is still held.
void MemoryShard::SetReclaim(std::size_t count, std::size_t bytes) noexcept {
  constexpr std::uint64_t kMost = 128, kLeast = 16;
  constexpr std::uint64_t kMostBytes = 4 << 20, kLeastBytes = 64 << 10;
  const std::uint64_t entries = limits_.entries != 0 ? limits_.entries / 8 : kMost;
  const std::uint64_t weight = limits_.weight != 0 ? limits_.weight / 16 : kMostBytes;
  reclaim_at_ = count * 2 + std::clamp(entries, kLeast, kMost);
  reclaim_bytes_at_ = bytes * 2 + std::clamp(weight, kLeastBytes, kMostBytes);
}

void MemoryShard::ReclaimIfDue() {
  if (retired_.size() >= reclaim_at_ || retired_bytes_ >= reclaim_bytes_at_) Reclaim();
}

void MemoryShard::Reclaim() {
  if (retired_.empty()) return;
  if (light_) {
    HeavyBarrier::Pass();
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  HazardRecord::Gather(held_);
  std::size_t kept = 0, kept_bytes = 0;
  for (const Retired& one : retired_) {
    if (std::binary_search(held_.begin(), held_.end(), one.address)) {
      retired_[kept++] = one;
      kept_bytes += one.bytes;
    } else if (one.ref == 0) {
      delete static_cast<IndexTable*>(one.address);
    } else if (void* const block = arena_.Free(one.ref, one.bytes); block != nullptr) {
      trash_.push_back(block);
    }
  }
  retired_.resize(kept);
  retired_bytes_ = kept_bytes;
  SetReclaim(kept, kept_bytes);
}

void MemoryShard::Disown(const std::vector<const void*>& held, std::vector<void*>& blocks,
                         std::vector<const void*>& stays) {
  const auto leave = [&](void* address, EntryRef ref) {
    const bool is_held = std::binary_search(held.begin(), held.end(), address);
    if (is_held) stays.push_back(address);
    if (!Arena::IsBlock(ref)) return;
    if (is_held) {
      blocks.push_back(address);
    } else {
      std::free(address);
    }
  };
  for (Slot slot = 0; slot < slots_.End(); ++slot) {
    if (slots_[slot].ref != 0) leave(EntryOf(slot), slots_[slot].ref);
  }
  for (const Retired& one : retired_) {
    if (one.ref == 0) {
      delete static_cast<IndexTable*>(one.address);
    } else {
      leave(one.address, one.ref);
    }
  }
  retired_.clear();
}

bool MemoryShard::Collect(Slot& from, std::size_t most, std::vector<Handle>& into) {
  const std::scoped_lock lock(mutex_);
  HazardRecord& thread = HazardRecord::Mine();
  for (; from < slots_.End() && into.size() < most; ++from) {
    if (slots_[from].ref == 0) continue;
    Hazard& hazard = thread.Claim();
    const Entry* const entry = EntryOf(from);
    hazard.Hold(entry, std::memory_order_release);  // the lock shows it to who frees
    into.push_back(Handle(entry, &hazard));
  }
  return from < slots_.End();
}

bool MemoryShard::RemovePrefix(Slot& from, std::size_t most, std::string_view prefix,
                               std::uint64_t& removed) {
  Locked locked(*this);
  const Slot end =
      static_cast<Slot>(std::min<std::uint64_t>(std::uint64_t{from} + most, slots_.End()));
  for (; from < end; ++from) {
    if (slots_[from].ref == 0 || !EntryOf(from)->Key().starts_with(prefix)) continue;
    Drop(from, Why::kRemoved);
    ++removed;
  }
  ReclaimIfDue();
  return from < slots_.End();
}

void MemoryShard::AddTo(MemoryStats& stats) const {
  const std::scoped_lock lock(mutex_);
  stats.inserts += counts_.inserts;
  stats.updates += counts_.updates;
  stats.evictions += counts_.evictions;
  stats.not_admitted += counts_.not_admitted;
  stats.expirations += counts_.expirations;
  stats.removals += counts_.removals;
  stats.refused += counts_.refused;
  stats.outdated += counts_.outdated;
  stats.entries += entries_;
  stats.payload_bytes += payload_;
  stats.weight +=
      limits_.weight != 0 ? policy_->Weight() : payload_ + entries_ * Memory::kEntryOverhead;
  stats.overhead_bytes += sizeof(*this) + arena_.Footprint() - payload_ + slots_.Bytes() +
                          table_.load(std::memory_order_relaxed)->Bytes() + buffers_.Bytes() +
                          policy_->MetadataBytes();
  buffers_.ForEach([&](const HitBuffer& buffer) {
    stats.hits += buffer.hits.load(std::memory_order_relaxed);
    stats.misses += buffer.misses.load(std::memory_order_relaxed);
  });
}

}  // namespace perf::cache
