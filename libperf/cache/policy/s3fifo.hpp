// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/ghosts.hpp"
#include "libperf/cache/policy/policy_of.hpp"

namespace perf::cache {

/// S3-FIFO (Yang, Zhang, Qiu, Yue and Rashmi, SOSP 2023): a small queue of a tenth, a main queue
/// and a ghost queue of nine tenths of the capacity; two uses in the small queue lead to the main
/// one. Metadata: 17 bytes an entry (21 with weights) and up to 25 for the ghosts.
class S3Fifo final : public PolicyOf<S3Fifo> {
 public:
  explicit S3Fifo(Limits limits) noexcept;

  std::string_view Name() const noexcept override { return "s3fifo"; }
  std::size_t MetadataBytes() const noexcept override;
  void OnHit(Slot slot) noexcept override {
    if (rings_.Holds(slot) && (state_[slot] & kCount) < kCountMax) ++state_[slot];
  }

  Slot Next() const noexcept override;

  bool Holds(Slot slot) const noexcept { return rings_.Holds(slot); }
  void Admit(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted);
  void EvictOne(std::vector<Slot>& evicted);
  void Forget(Slot slot) noexcept;
  void Reweigh(Slot slot, std::uint64_t from, std::uint64_t to) noexcept;

 private:
  static constexpr std::uint32_t kSmall = 0, kMain = 1;
  static constexpr std::uint8_t kCount = 3, kCountMax = 3, kInMain = 4;
  static constexpr std::uint8_t kPromoteAt = 2;

  bool EvictFromSmall(std::vector<Slot>& evicted);
  void EvictFromMain(std::vector<Slot>& evicted);
  std::uint32_t RingOf(Slot slot) const noexcept { return state_[slot] & kInMain ? kMain : kSmall; }

  Limits main_share_, ghost_share_;
  Rings<2> rings_;
  Load loads_[2];
  std::vector<std::uint8_t> state_;
  std::vector<std::uint64_t> hashes_;
  Ghosts<1> ghosts_;
};

}  // namespace perf::cache
