// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/frequency_sketch.hpp"
#include "libperf/cache/policy/policy_of.hpp"
#include "libperf/cache/policy/rings.hpp"

namespace perf::cache {

/// W-TinyLFU (Einziger, Friedman and Manes, 2017) with a fixed window: LRU window of 1 %, then a
/// segmented LRU (four fifths protected) that a newcomer enters only when it was used more often of
/// late than the entry that would go. Metadata: 17 bytes an entry (21 with weights) and 8 to 16 of
/// sketch.
class WTinyLfu final : public PolicyOf<WTinyLfu> {
 public:
  explicit WTinyLfu(Limits limits);

  std::string_view Name() const noexcept override { return "wtinylfu"; }
  std::size_t MetadataBytes() const noexcept override;
  void OnHit(Slot slot) noexcept override;

  Slot Next() const noexcept override { return rings_.Back(kWindow); }

  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;

 private:
  static constexpr std::uint32_t kWindow = 0, kProbation = 1, kProtected = 2;

  void Move(Slot slot, std::uint32_t ring) noexcept;
  bool Fits(const Load& load, const Limits& share, std::uint64_t weight) const noexcept;
  void DrainOne(std::vector<Slot>& evicted);
  bool Compete(std::uint64_t hash, std::uint64_t weight, std::vector<Slot>& evicted);
  void Evict(Slot slot, std::vector<Slot>& evicted);

  Limits window_, main_, protected_;
  Rings<3> rings_;
  Load loads_[3];
  std::vector<std::uint8_t> ring_;
  std::vector<std::uint64_t> hashes_;
  FrequencySketch sketch_;
};

}  // namespace perf::cache
