// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/ghosts.hpp"
#include "libperf/cache/policy/policy_of.hpp"

namespace perf::cache {

/// ARC (Megiddo and Modha, FAST 2003, figure 4) with a real-valued target p. Where weights are
/// bounded, sizes of lists and p are weights, and an adaptation counts as much as the entry weighs.
/// Metadata: 17 bytes an entry (21 with weights) and up to 28 for each of as many ghosts.
class Arc final : public PolicyOf<Arc> {
 public:
  using PolicyOf::PolicyOf;

  std::string_view Name() const noexcept override { return "arc"; }
  std::size_t MetadataBytes() const noexcept override;
  void OnHit(Slot slot) noexcept override;

  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted) { Replace(false, evicted); }
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;

 private:
  static constexpr std::uint32_t kOnce = 0, kOften = 1;  // T1 and T2; B1 and B2 of the ghosts

  std::uint64_t Size(const Load& load) const noexcept;
  std::uint64_t Capacity1() const noexcept;
  void Adapt(const Ghosts<2>::Found& found, const Load& once, const Load& often) noexcept;
  void MakeRoomForNew(std::uint64_t weight, std::vector<Slot>& evicted);
  void Replace(bool was_often, std::vector<Slot>& evicted);
  void TrimGhosts() noexcept;

  Rings<2> rings_;
  Load loads_[2];
  std::vector<std::uint8_t> ring_;
  std::vector<std::uint64_t> hashes_;
  Ghosts<2> ghosts_;
  double target_ = 0;
};

}  // namespace perf::cache
