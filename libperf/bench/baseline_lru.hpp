// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "libperf/cache/memory/memory.hpp"

namespace perf::bench {

/// What people write when they need a cache: a list, a hash table and a mutex, 64 times. Values are
/// shared, not copied, and hashed by the same function as perfkit's, so that neither is the
/// difference. Thread safety: all methods.
class BaselineLru {
 public:
  using Value = std::shared_ptr<const std::string>;

  explicit BaselineLru(std::uint64_t entries)
      : room_(entries / kShards > 0 ? static_cast<std::size_t>(entries / kShards) : 1) {}

  Value Get(std::string_view key) {
    const std::uint64_t hash = cache::HashKey(key);
    Shard& shard = ShardOf(hash);
    const std::scoped_lock lock(shard.mutex);
    const auto found = shard.index.find(Key{key, hash});
    if (found == shard.index.end()) return nullptr;
    shard.order.splice(shard.order.begin(), shard.order, found->second);
    return found->second->value;
  }
  void Put(std::string_view key, std::string_view value) {
    const std::uint64_t hash = cache::HashKey(key);
    auto shared = std::make_shared<const std::string>(value);
    Shard& shard = ShardOf(hash);
    const std::scoped_lock lock(shard.mutex);
    const auto found = shard.index.find(Key{key, hash});
    if (found != shard.index.end()) {
      found->second->value = std::move(shared);
      shard.order.splice(shard.order.begin(), shard.order, found->second);
      return;
    }
    if (shard.index.size() == room_) {
      shard.index.erase(Key{shard.order.back().key, shard.order.back().hash});
      shard.order.pop_back();
    }
    shard.order.push_front({std::string(key), hash, std::move(shared)});
    shard.index.emplace(Key{shard.order.front().key, hash}, shard.order.begin());
  }
  void Remove(std::string_view key) {
    const std::uint64_t hash = cache::HashKey(key);
    Shard& shard = ShardOf(hash);
    const std::scoped_lock lock(shard.mutex);
    const auto found = shard.index.find(Key{key, hash});
    if (found == shard.index.end()) return;
    const auto entry = found->second;
    shard.index.erase(found);
    shard.order.erase(entry);
  }
  std::uint64_t Entries() {
    std::uint64_t entries = 0;
    for (Shard& shard : shards_) {
      const std::scoped_lock lock(shard.mutex);
      entries += shard.index.size();
    }
    return entries;
  }

 private:
  static constexpr std::size_t kShards = 64;
  struct Entry {
    std::string key;
    std::uint64_t hash;
    Value value;
  };
  struct Key {
    std::string_view key;
    std::uint64_t hash;
    bool operator==(const Key& other) const noexcept { return key == other.key; }
  };
  struct HashOf {
    std::size_t operator()(const Key& key) const noexcept { return key.hash; }
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    std::list<Entry> order;
    std::unordered_map<Key, std::list<Entry>::iterator, HashOf> index;
  };

  Shard& ShardOf(std::uint64_t hash) noexcept { return shards_[hash >> 58]; }

  std::size_t room_;
  std::array<Shard, kShards> shards_;
};

}  // namespace perf::bench
