// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/shard.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "libperf/base/quick_clock.hpp"

namespace perf::cache {
namespace {

constexpr unsigned kTickBits = 24;            // how exact clock_ is
constexpr std::size_t kExpiredPerWrite = 16;  // so that no write pays for many
constexpr std::size_t kFirstBuckets = 8;
void CopyBytes(char* to, std::string_view from) noexcept {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
}

void Relax() noexcept {
#ifdef __SSE2__
  __builtin_ia32_pause();
#endif
}

void Fill(void* block, std::string_view meta, std::string_view key,
          std::string_view value) noexcept {
  char* const bytes = static_cast<char*>(block) + Entry::kHeadBytes;
  CopyBytes(bytes, meta);
  CopyBytes(bytes + meta.size(), key);
  CopyBytes(bytes + meta.size() + key.size(), value);
}

}  // namespace

MemoryShard::MemoryShard(PageSource& pages, std::string_view policy, const PolicyOptions& options,
                         std::uint32_t own_buffers)
    : table_(nullptr),
      arena_(pages),
      buffers_(own_buffers),
      light_(HeavyBarrier::Works()),
      policy_(MakePolicy(policy, options)),
      limits_(options.limits),
      wheel_(slots_) {
  std::size_t buckets = kFirstBuckets;
  if (limits_.entries != 0) buckets = std::min(buckets, IndexTable::BucketsFor(limits_.entries));
  table_.store(new IndexTable(buckets), std::memory_order_release);
  index_room_ = IndexTable::RoomOf(buckets);
  SetReclaim(0, 0);
}

MemoryShard::~MemoryShard() { delete table_.load(std::memory_order_relaxed); }

MemoryShard::Locked::Locked(MemoryShard& shard)
    : shard_(shard), lock_(shard.mutex_, std::defer_lock) {
  // Whoever has it is done in less time than it takes to sleep and to be woken.
  constexpr int kTries = 64;
  for (int i = 0; i < kTries; ++i) {
    if (lock_.try_lock()) return;
    Relax();
  }
  lock_.lock();
}

MemoryShard::Locked::~Locked() {
  std::vector<void*> trash;
  trash.swap(shard_.trash_);
  lock_.unlock();
  for (void* block : trash) std::free(block);
}

PutResult MemoryShard::Put(const Query& query, const Draft& draft) {
  Sized sized{Entry::kHeadBytes + draft.meta.size() + query.key.size() + draft.value.size(),
              draft.weight, 0, nullptr};
  if (sized.weight == 0) sized.weight = sized.bytes - Entry::kHeadBytes + Memory::kEntryOverhead;
  const bool fits = (limits_.weight == 0 || sized.weight <= limits_.weight) &&
                    query.key.size() <= Entry::kMaxKey && draft.meta.size() <= Entry::kMaxMeta &&
                    draft.value.size() <= Entry::kMaxValue;
  if (!fits) sized.bytes = 0;
  if (sized.bytes > Arena::kLargest && draft.ttl > Duration::zero()) {
    sized.block = std::malloc(sized.bytes);
    if (sized.block == nullptr) throw std::bad_alloc();
    Fill(sized.block, draft.meta, query.key, draft.value);
  }
  // Whatever was not taken over goes back after the lock.
  struct Rest {
    Sized& sized;
    ~Rest() { std::free(sized.block); }
  } const rest{sized};
  Locked locked(*this);
  return PutLocked(query, draft, sized);
}

PutResult MemoryShard::PutLocked(const Query& query, const Draft& draft, Sized& sized) {
  // First what this thread has read: so that one thread alone evicts what its policy says.
  HitBuffer& buffer = buffers_.Of(HazardRecord::Mine());
  if (buffer.fill.load(std::memory_order_relaxed) != 0) buffers_.Drain(buffer, *policy_);
  Tick(draft.now.time_since_epoch().count());
  if (draft.stamp && *draft.stamp != Stamp(query.hash)) {
    ++counts_.outdated;
    return PutResult::kOutdated;
  }
  const IndexTable::Place place = FindLocked(query);
  if (draft.ttl <= Duration::zero() || sized.bytes == 0) {
    if (place.bucket != nullptr) {
      Drop(arena_.Resolve(place.Ref().load(std::memory_order_relaxed))->Slot(), Why::kRemoved);
    }
    ReclaimIfDue();
    if (draft.ttl <= Duration::zero()) return PutResult::kExpired;
    ++counts_.refused;
    return PutResult::kTooHeavy;
  }
  const TimePoint now =
      std::max(draft.now, TimePoint(Duration(clock_.load(std::memory_order_relaxed))));
  sized.expires = Saturated(now, draft.ttl).time_since_epoch().count();
  const PutResult result =
      place.bucket != nullptr ? Replace(query, draft, sized, place) : Insert(query, draft, sized);
  ReclaimIfDue();
  return result;
}

Arena::Block MemoryShard::Build(const Query& query, const Draft& draft, Sized& sized, Slot slot) {
  Arena::Block block;
  if (sized.block != nullptr) {
    block = {sized.block, arena_.Adopt(sized.block, sized.bytes)};
    sized.block = nullptr;
  } else {
    block = arena_.Allocate(sized.bytes);
    Fill(block.address, draft.meta, query.key, draft.value);
  }
  new (block.address)
      Entry(sized.expires, slot, draft.meta.size(), query.key.size(), draft.value.size());
  return block;
}

PutResult MemoryShard::Insert(const Query& query, const Draft& draft, Sized& sized) {
  if (index_room_ == 0) GrowIndex();
  const Slot slot = slots_.Take();
  Arena::Block block;
  try {
    block = Build(query, draft, sized, slot);
  } catch (...) {
    slots_.Free(slot);
    throw;
  }
  slots_[slot].ref = block.ref;
  wheel_.Link(slot, sized.expires);
  table_.load(std::memory_order_relaxed)->Insert(block.ref, query.hash);
  --index_room_;
  ++entries_;
  payload_ += sized.bytes - Entry::kHeadBytes;
  ++counts_.inserts;
  evicted_.clear();
  try {
    policy_->OnInsert(slot, {query.hash, sized.weight, sized.expires}, evicted_);
  } catch (...) {
    Drop(slot, Why::kEvicted);
    throw;
  }
  const bool kept = DropEvicted(slot);
  FetchNext();
  return kept ? PutResult::kStored : PutResult::kNotAdmitted;
}

PutResult MemoryShard::Replace(const Query& query, const Draft& draft, Sized& sized,
                               IndexTable::Place place) {
  const EntryRef old_ref = place.Ref().load(std::memory_order_relaxed);
  Entry* const old = arena_.Resolve(old_ref);
  const Slot slot = old->Slot();
  const Arena::Block block = Build(query, draft, sized, slot);
  place.Ref().store(block.ref, std::memory_order_seq_cst);
  slots_[slot].ref = block.ref;
  if (old->Expires() != TimePoint(Duration(sized.expires))) {
    wheel_.Unlink(slot);
    wheel_.Link(slot, sized.expires);
  }
  payload_ += sized.bytes - old->AllBytes();
  ++counts_.updates;
  Retire(old, old_ref, old->AllBytes());
  evicted_.clear();
  policy_->OnUpdate(slot, {query.hash, sized.weight, sized.expires}, evicted_);
  return DropEvicted(slot) ? PutResult::kReplaced : PutResult::kNotAdmitted;
}

/// False when `fresh` was among them.
bool MemoryShard::DropEvicted(Slot fresh) noexcept {
  bool kept = true;
  for (const Slot slot : evicted_) {
    if (slot == fresh) {
      kept = false;
      ++counts_.not_admitted;
    } else {
      ++counts_.evictions;
    }
    Drop(slot, Why::kEvicted);
  }
  return kept;
}

/// Nobody has looked at what goes next for long: by the next write it will be at hand.
void MemoryShard::FetchNext() noexcept {
  if (const Slot next = policy_->Next(); next != kNoSlot) FetchBytes(EntryOf(next), 64);
}

void MemoryShard::Drop(Slot slot, Why why) noexcept {
  const EntryRef ref = slots_[slot].ref;
  Entry* const entry = arena_.Resolve(ref);
  const std::uint64_t hash = HashKey(entry->Key());
  IndexTable& table = *table_.load(std::memory_order_relaxed);
  table.Erase(table.Find(ref, hash), hash);
  ++index_room_;
  --entries_;
  payload_ -= entry->AllBytes() - Entry::kHeadBytes;
  wheel_.Unlink(slot);
  slots_.Free(slot);
  if (why != Why::kEvicted) policy_->OnRemove(slot);
  if (why == Why::kExpired) ++counts_.expirations;
  if (why == Why::kRemoved) ++counts_.removals;
  Retire(entry, ref, entry->AllBytes());
}

bool MemoryShard::Remove(const Query& query) {
  Locked locked(*this);
  Bump(query.hash);
  const IndexTable::Place place = FindLocked(query);
  if (place.bucket == nullptr) return false;
  Drop(arena_.Resolve(place.Ref().load(std::memory_order_relaxed))->Slot(), Why::kRemoved);
  ReclaimIfDue();
  return true;
}

bool MemoryShard::RemoveSame(const Handle& handle) {
  Locked locked(*this);
  const Slot slot = handle.entry_->Slot();
  if (slot >= slots_.End() || slots_[slot].ref == 0 || EntryOf(slot) != handle.entry_) return false;
  Drop(slot, Why::kRemoved);
  ReclaimIfDue();
  return true;
}

void MemoryShard::Bump(std::uint64_t hash) noexcept {
  stamps_[hash % kStamps].fetch_add(1, std::memory_order_acq_rel);
}

std::uint64_t MemoryShard::Stamp(std::uint64_t hash) const noexcept {
  return std::uint64_t{wide_stamp_.load(std::memory_order_acquire)} << 32 |
         stamps_[hash % kStamps].load(std::memory_order_acquire);
}

void MemoryShard::Tick(std::int64_t now) noexcept {
  if ((now >> kTickBits) > (wheel_.Now() >> kTickBits)) {
    wheel_.Advance(now);
    clock_.store(now, std::memory_order_relaxed);
  }
  std::size_t most = kExpiredPerWrite;
  ExpireSome(most);
}

/// Counts `most` down by what it looked at.
std::uint64_t MemoryShard::ExpireSome(std::size_t& most) noexcept {
  std::uint64_t expired = 0;
  for (; most > 0; --most) {
    const Slot slot = wheel_.Pop();
    if (slot == kNoSlot) break;
    const std::int64_t deadline = EntryOf(slot)->Expires().time_since_epoch().count();
    if (deadline > wheel_.Now()) {
      wheel_.Link(slot, deadline);
    } else {
      Drop(slot, Why::kExpired);
      ++expired;
    }
  }
  return expired;
}

std::uint64_t MemoryShard::Expire(std::int64_t now) {
  constexpr std::size_t kAtOnce = 1024;
  std::uint64_t expired = 0;
  for (bool first = true;; first = false) {
    Locked locked(*this);
    if (first && now > wheel_.Now()) {
      wheel_.Advance(now);
      clock_.store(now, std::memory_order_relaxed);
    }
    std::size_t most = kAtOnce;
    expired += ExpireSome(most);
    if (most > 0) Reclaim();
    ReclaimIfDue();
    if (most > 0) return expired;
  }
}

}  // namespace perf::cache
