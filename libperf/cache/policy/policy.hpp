// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

namespace perf::cache {

/// Index of an entry, chosen by whoever owns the entries; small numbers that are used again.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = std::numeric_limits<Slot>::max();
inline constexpr std::int64_t kNeverExpires = std::numeric_limits<std::int64_t>::max();

/// How much may stay; 0 is unbounded. At least one of the two is set.
struct Limits {
  std::uint64_t entries = 0;
  std::uint64_t weight = 0;
};

/// What a policy learns of an entry that is written.
struct Arrival {
  /// All 64 bits well mixed: sketches and ghosts take it as the key itself.
  std::uint64_t hash = 0;
  /// Bytes, or whatever Limits::weight counts; only read where that is set.
  std::uint64_t weight = 1;
  /// When it expires, on any clock that goes forward (only `ttl` reads it).
  std::int64_t expires = kNeverExpires;
};

/// Decides who goes when a cache is full; knows slots, hashes and weights, never keys or values.
///
/// The owner calls OnHit when a look-up finds an entry, OnInsert after it put a new one into a free
/// slot, OnUpdate after it replaced a value, and OnRemove when one goes for another reason
/// (removed, expired, invalidated). OnInsert and OnUpdate append the slots that must go to
/// `evicted`; the policy has forgotten those already: the owner frees them and does not call
/// OnRemove. The new slot itself may be among them: it was not admitted (or is heavier than the
/// whole capacity, in which case nobody else goes). While OnInsert runs the owner may hold one
/// entry more than the limit.
///
/// OnHit and OnRemove of a slot that the policy does not hold (never inserted, evicted, removed) do
/// nothing, so hits may be replayed late; a late hit on a slot that was given to another entry
/// meanwhile counts for that one, which the owner may filter.
/// Thread safety: none, the owner locks. Sums of weights saturate and never wrap.
class PERF_EXPORT Policy {
 public:
  Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;
  virtual ~Policy();

  /// The name that MakePolicy takes.
  virtual std::string_view Name() const noexcept = 0;
  virtual Limits Capacity() const noexcept = 0;
  /// Entries held now.
  virtual std::uint64_t Entries() const noexcept = 0;
  /// Their weight; 0 where Capacity().weight is.
  virtual std::uint64_t Weight() const noexcept = 0;
  /// Bytes that the policy has allocated for entries, ghosts and sketches.
  virtual std::size_t MetadataBytes() const noexcept = 0;

  virtual void OnHit(Slot slot) noexcept = 0;
  /// Requires: `slot` is not held.
  virtual void OnInsert(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) = 0;
  /// Counts as a use, too. A slot that is not held is inserted. An entry that has become heavier
  /// than the whole capacity goes itself, and only it.
  virtual void OnUpdate(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) = 0;
  virtual void OnRemove(Slot slot) noexcept = 0;
  /// A slot that is likely to go next, or kNoSlot: a hint for an owner that fetches memory ahead.
  virtual Slot Next() const noexcept;
};

/// What the policies of the parts of one cache share. Thread safety: all methods of all kinds.
class PERF_EXPORT PolicyGroup {
 public:
  PolicyGroup() = default;
  PolicyGroup(const PolicyGroup&) = delete;
  PolicyGroup& operator=(const PolicyGroup&) = delete;
  virtual ~PolicyGroup();
};

struct PolicyOptions {
  Limits limits;
  /// Seeds what is drawn at random (adaptive); the same seed gives the same evictions.
  std::uint64_t seed = 1;
  /// Of MakePolicyGroup for the same name, or null: then this is a cache by itself.
  std::shared_ptr<PolicyGroup> group = nullptr;
};

/// One line of the table of policies.
struct PolicyKind {
  std::string_view name;
  std::string_view text;
  /// False: for simulation only (memory grows with the distinct keys).
  bool online = true;
};

/// The policies that MakePolicy knows, in the order in which they are listed to people. The ones
/// that need the future (opt, optb) are not here: see sim.hpp.
PERF_EXPORT std::span<const PolicyKind> PolicyKinds() noexcept;

/// A policy by its name (lru, fifo, lfu, plfu, sieve, s3fifo, arc, wtinylfu, ttl, adaptive).
/// Throws: ConfigError for an unknown name (naming the nearest) or limits that are both 0.
PERF_EXPORT std::unique_ptr<Policy> MakePolicy(std::string_view name, const PolicyOptions& options);

/// For a cache in so many parts, among which keys are divided by their hashes; options are of the
/// whole. Null where parts of such a policy share nothing.
PERF_EXPORT std::shared_ptr<PolicyGroup> MakePolicyGroup(std::string_view name,
                                                         const PolicyOptions& options,
                                                         std::uint64_t parts);

/// A bijection of 64-bit numbers that mixes all bits (the finalizer of SplitMix64 by Steele, Lea
/// and Flood, 2014): turns the ids of a trace into hashes of which none collide.
constexpr std::uint64_t MixId(std::uint64_t id) noexcept {
  id += 0x9e3779b97f4a7c15ULL;
  id = (id ^ (id >> 30)) * 0xbf58476d1ce4e5b9ULL;
  id = (id ^ (id >> 27)) * 0x94d049bb133111ebULL;
  return id ^ (id >> 31);
}

}  // namespace perf::cache
