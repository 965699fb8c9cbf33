// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "libperf/cache/policy/budget.hpp"

namespace perf::cache {

/// What all policies share: limits, refusal of what is too heavy, updates. A Derived gives
///   bool Holds(Slot) const          whether it holds a slot
///   void Admit(Slot, Arrival, out)  makes room by EvictOne and takes an entry that can fit
///   void EvictOne(out)              at least one goes; there is one
///   void Forget(Slot)               takes out one that it holds
///   void Reweigh(Slot, from, to)    counts of segments, where there are any
///   void Rewrite(Slot, Arrival)     what else a new value changes
/// and OnHit. Calls are resolved at compile time, so that a simulator of a concrete policy inlines
/// them.
template <class Derived>
class PolicyOf : public Policy {
 public:
  explicit PolicyOf(Limits limits) noexcept : budget_(limits) {}

  Limits Capacity() const noexcept final { return budget_.Bounds(); }
  std::uint64_t Entries() const noexcept final { return budget_.Used().entries; }
  std::uint64_t Weight() const noexcept final { return budget_.Used().weight; }

  void OnInsert(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) final {
    if (budget_.Heavy(arrival.weight)) {
      evicted.push_back(slot);
      return;
    }
    Self().Admit(slot, arrival, evicted);
  }
  void OnUpdate(Slot slot, const Arrival& arrival, std::vector<Slot>& evicted) final {
    if (!Self().Holds(slot)) return OnInsert(slot, arrival, evicted);
    if (budget_.Heavy(arrival.weight)) {
      Self().Forget(slot);
      evicted.push_back(slot);
      return;
    }
    Self().Reweigh(slot, budget_.WeightOf(slot), 0);
    budget_.Lift(slot);
    Self().OnHit(slot);
    while (Self().Holds(slot) && !budget_.FitsWeight(arrival.weight)) Self().EvictOne(evicted);
    if (!Self().Holds(slot)) return;
    Self().Reweigh(slot, 0, budget_.Lower(slot, arrival.weight));
    Self().Rewrite(slot, arrival);
  }
  void OnRemove(Slot slot) noexcept final {
    if (Self().Holds(slot)) Self().Forget(slot);
  }
  void Reweigh(Slot /*slot*/, std::uint64_t /*from*/, std::uint64_t /*to*/) noexcept {}
  void Rewrite(Slot /*slot*/, const Arrival& /*arrival*/) {}

 protected:
  Budget budget_;

 private:
  Derived& Self() noexcept { return static_cast<Derived&>(*this); }
};

}  // namespace perf::cache
