// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/memory/memory.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <random>
#include <thread>

#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/cache/memory/shard.hpp"

namespace perf::cache {
namespace {

/// Memory of caches that are gone, of which handles still hold something.
struct Orphan {
  std::unique_ptr<PageSource> pages;
  std::vector<void*> blocks;
  std::vector<const void*> held;
};

Guarded<std::vector<Orphan>>& Orphans() {
  static auto* const orphans = new Guarded<std::vector<Orphan>>;  // handles may outlive statics
  return *orphans;
}

void BuryOrphans() {
  std::vector<Orphan> free;
  {
    auto orphans = Orphans().Lock();
    if (orphans->empty()) return;
    std::vector<const void*> held;
    HazardRecord::Gather(held);
    std::erase_if(*orphans, [&](Orphan& orphan) {
      const bool is_held = std::ranges::any_of(orphan.held, [&](const void* one) {
        return std::binary_search(held.begin(), held.end(), one);
      });
      if (!is_held) free.push_back(std::move(orphan));
      return !is_held;
    });
  }
  for (const Orphan& orphan : free) {
    for (void* block : orphan.blocks) std::free(block);
  }
}

/// As many as keep writers apart, but none so small that its share of the limits matters.
unsigned ShardsFor(const MemoryOptions& options) noexcept {
  constexpr std::uint64_t kLeastEntries = 1024, kLeastWeight = 4 << 20;
  std::uint64_t shards = options.shards;
  if (shards == 0) {
    shards = std::clamp(8 * std::thread::hardware_concurrency(), 16U, 256U);
    if (options.limits.entries != 0) {
      shards = std::min(shards, options.limits.entries / kLeastEntries);
    }
    if (options.limits.weight != 0) shards = std::min(shards, options.limits.weight / kLeastWeight);
  }
  if (options.limits.entries != 0) shards = std::min(shards, options.limits.entries);
  if (options.limits.weight != 0) shards = std::min(shards, options.limits.weight);
  return std::bit_floor(static_cast<unsigned>(std::clamp<std::uint64_t>(shards, 1, 256)));
}

std::uint64_t Share(std::uint64_t whole, std::uint64_t parts, std::uint64_t which) noexcept {
  return whole / parts + (which < whole % parts ? 1 : 0);
}

}  // namespace

std::uint64_t HashKey(std::string_view key) noexcept {
  static const std::uint64_t seed = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

Memory::Memory(const MemoryOptions& options)
    : policy_(options.policy),
      default_ttl_(options.default_ttl),
      pages_(std::make_unique<PageSource>()) {
  const unsigned shards = ShardsFor(options);
  // The first threads have hit buffers of their own; on large machines more of them.
  const std::uint32_t own = std::clamp(2 * std::thread::hardware_concurrency(), 16U, 128U);
  shift_ = 64 - std::countr_zero(shards) - 1;
  shards_.reserve(shards);
  const auto group = MakePolicyGroup(policy_, {options.limits, options.seed}, shards);
  for (unsigned i = 0; i < shards; ++i) {
    const Limits limits{Share(options.limits.entries, shards, i),
                        Share(options.limits.weight, shards, i)};
    shards_.push_back(std::make_unique<MemoryShard>(
        *pages_, policy_, PolicyOptions{limits, options.seed + i, group}, own));
  }
  BuryOrphans();
}

Memory::~Memory() {
  Orphan orphan;
  std::vector<const void*> held;
  HazardRecord::Gather(held);
  for (auto& shard : shards_) shard->Disown(held, orphan.blocks, orphan.held);
  shards_.clear();
  if (!orphan.held.empty()) {
    orphan.pages = std::move(pages_);
    auto orphans = Orphans().Lock();
    orphans->push_back(std::move(orphan));
  }
  BuryOrphans();
}

MemoryShard& Memory::ShardOf(std::uint64_t hash) const noexcept {
  return *shards_[hash >> shift_ >> 1];
}

Handle Memory::Get(std::string_view key, std::uint64_t hash) {
  return ShardOf(hash).Get({key, hash}, MemoryShard::kNow);
}
Handle Memory::Get(std::string_view key, std::uint64_t hash, TimePoint now) {
  return ShardOf(hash).Get({key, hash}, now.time_since_epoch().count());
}
Handle Memory::Peek(std::string_view key, std::uint64_t hash, TimePoint now) {
  return ShardOf(hash).Peek({key, hash}, now.time_since_epoch().count());
}

PutResult Memory::Put(std::string_view key, std::uint64_t hash, std::string_view value,
                      TimePoint now, const PutOptions& options) {
  return ShardOf(hash).Put(
      {key, hash}, {value, options.meta, now, options.ttl.value_or(default_ttl_), options.weight,
                    options.stamp});
}

std::uint64_t Memory::Stamp(std::uint64_t hash) const noexcept { return ShardOf(hash).Stamp(hash); }

bool Memory::Remove(std::string_view key, std::uint64_t hash) {
  return ShardOf(hash).Remove({key, hash});
}

bool Memory::RemoveSame(const Handle& handle, std::uint64_t hash) {
  return ShardOf(hash).RemoveSame(handle);
}

std::uint64_t Memory::RemoveIf(const std::function<bool(const Handle&)>& predicate) {
  for (auto& shard : shards_) shard->Outdate();
  std::uint64_t removed = 0;
  std::vector<Handle> some;
  for (auto& shard : shards_) {
    Slot from = 0;
    for (bool more = true; more;) {
      some.clear();
      more = shard->Collect(from, kAtOnce, some);
      for (const Handle& handle : some) {
        if (predicate(handle) && shard->RemoveSame(handle)) ++removed;
      }
    }
  }
  return removed;
}

std::uint64_t Memory::RemovePrefix(std::string_view prefix) {
  for (auto& shard : shards_) shard->Outdate();
  std::uint64_t removed = 0;
  for (auto& shard : shards_) {
    Slot from = 0;
    while (shard->RemovePrefix(from, kAtOnce, prefix, removed)) {
    }
  }
  return removed;
}

std::uint64_t Memory::Clear() { return RemovePrefix({}); }

std::uint64_t Memory::Expire(TimePoint now) {
  std::uint64_t expired = 0;
  for (auto& shard : shards_) expired += shard->Expire(now.time_since_epoch().count());
  return expired;
}

void Memory::ForEach(TimePoint now, const std::function<bool(Handle)>& show) const {
  std::vector<Handle> some;
  for (const auto& shard : shards_) {
    Slot from = 0;
    for (bool more = true; more;) {
      some.clear();
      more = shard->Collect(from, kAtOnce, some);
      for (Handle& handle : some) {
        if (handle.Expires() > now && !show(std::move(handle))) return;
      }
    }
  }
}

MemoryStats Memory::Stats() const {
  MemoryStats stats;
  for (const auto& shard : shards_) shard->AddTo(stats);
  return stats;
}

}  // namespace perf::cache
