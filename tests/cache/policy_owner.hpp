// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "libperf/cache/policy/policy.hpp"

namespace test {

/// Owns entries for a policy as a cache would and holds what the interface promises after each
/// step.
class PolicyOwner {
 public:
  explicit PolicyOwner(std::string_view name, perf::cache::Limits limits)
      : limits_(limits), policy_(perf::cache::MakePolicy(name, {.limits = limits})) {}

  /// Read-through; true for a hit.
  bool Get(std::uint64_t key, std::uint64_t weight = 1) {
    if (const auto found = slots_.find(key); found != slots_.end()) {
      policy_->OnHit(found->second);
      return true;
    }
    Set(key, weight);
    return false;
  }
  void Set(std::uint64_t key, std::uint64_t weight,
           std::int64_t expires = perf::cache::kNeverExpires) {
    const perf::cache::Arrival arrival{perf::cache::MixId(key), weight, expires};
    std::vector<perf::cache::Slot> evicted;
    if (const auto found = slots_.find(key); found != slots_.end()) {
      weights_[found->second] = weight;
      policy_->OnUpdate(found->second, arrival, evicted);
    } else {
      perf::cache::Slot slot = 0;
      while (keys_.contains(slot)) ++slot;
      slots_[key] = slot;
      keys_[slot] = key;
      weights_[slot] = weight;
      policy_->OnInsert(slot, arrival, evicted);
    }
    for (const perf::cache::Slot slot : evicted) Drop(slot);
    Check();
  }
  void Remove(std::uint64_t key) {
    const auto found = slots_.find(key);
    if (found == slots_.end()) return;
    policy_->OnRemove(found->second);
    Drop(found->second);
    Check();
  }
  /// What a hit that is replayed late does.
  void Stale(perf::cache::Slot slot) {
    if (keys_.contains(slot)) return;
    policy_->OnHit(slot);
    policy_->OnRemove(slot);
    Check();
  }
  std::set<std::uint64_t> Keys() const {
    std::set<std::uint64_t> keys;
    for (const auto& [key, slot] : slots_) keys.insert(key);
    return keys;
  }
  perf::cache::Policy& Held() noexcept { return *policy_; }

 private:
  void Drop(perf::cache::Slot slot) {
    REQUIRE(keys_.contains(slot));  // nobody goes twice
    slots_.erase(keys_[slot]);
    keys_.erase(slot);
    weights_.erase(slot);
  }
  void Check() const {
    REQUIRE(policy_->Entries() == slots_.size());
    if (limits_.entries != 0) REQUIRE(slots_.size() <= limits_.entries);
    std::uint64_t sum = 0;  // only counted where it is bounded
    for (const auto& [slot, weight] : weights_) {
      if (limits_.weight != 0) sum += std::max<std::uint64_t>(weight, 1);
    }
    REQUIRE(policy_->Weight() == sum);
    REQUIRE(sum <= limits_.weight);
  }

  perf::cache::Limits limits_;
  std::unique_ptr<perf::cache::Policy> policy_;
  std::map<std::uint64_t, perf::cache::Slot> slots_;
  std::map<perf::cache::Slot, std::uint64_t> keys_;
  std::map<perf::cache::Slot, std::uint64_t> weights_;
};

}  // namespace test
