// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "libperf/cache/memory/memory.hpp"

namespace perf::cache::test {

inline constexpr TimePoint kStart{std::chrono::hours(1000)};

/// A Memory with the hashes done for it.
struct Tier {
  explicit Tier(Limits limits, const std::string& policy = "lru", unsigned shards = 1)
      : memory(Options(limits, policy, shards)) {}
  static MemoryOptions Options(Limits limits, const std::string& policy, unsigned shards) {
    MemoryOptions options;
    options.policy = policy;
    options.limits = limits;
    options.shards = shards;
    return options;
  }

  PutResult Put(const std::string& key, const std::string& value, const PutOptions& options = {}) {
    return memory.Put(key, HashKey(key), value, now, options);
  }
  PutResult PutFor(const std::string& key, const std::string& value, Duration ttl) {
    PutOptions options;
    options.ttl = ttl;
    return Put(key, value, options);
  }
  PutResult PutWeight(const std::string& key, std::uint64_t weight) {
    PutOptions options;
    options.weight = weight;
    return Put(key, "v", options);
  }
  std::string Get(const std::string& key) {
    const Handle found = memory.Get(key, HashKey(key), now);
    return found ? std::string(found.Value()) : "-";
  }
  bool Remove(const std::string& key) { return memory.Remove(key, HashKey(key)); }

  TimePoint now = kStart;
  Memory memory;
};

/// Sixteen digits.
inline std::string Number(std::uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof(text), "%016llu", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace perf::cache::test
