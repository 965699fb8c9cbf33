// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "libperf/cache/policy/policy.hpp"
#include "libperf/cache/sim.hpp"
#include "libperf/cache/sim/id_index.hpp"

namespace perf::cache {

/// CPU seconds of this thread.
double ThreadCpuSeconds() noexcept;

/// The simulator of one policy. Where P is a concrete final class its calls are inlined; Policy
/// itself serves for all others.
template <class P>
class Replay final : public Simulator {
 public:
  Replay(const SimCell& cell, std::unique_ptr<P> policy)
      : policy_(std::move(policy)), index_(ExpectedEntries(cell)) {
    row_.cell = cell;
  }

  void Feed(std::span<const Request> requests) override {
    const double start = ThreadCpuSeconds();
    const std::size_t count = requests.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kAhead < count) index_.Prefetch(requests[i + kAhead].id);
      const Request& request = requests[i];
      if (request.op != TraceOp::kGet) [[unlikely]] {
        Write(request);
        continue;
      }
      ++row_.requests;
      row_.bytes += request.size;
      const Slot slot = index_.Find(request.id);
      if (slot != kNoSlot) {
        ++row_.hits;
        row_.bytes_hit += request.size;
        policy_->OnHit(slot);
      } else {
        if (row_.cell.bytes && request.size > row_.cell.size) ++row_.refused;
        Insert(request);
      }
    }
    row_.cpu_seconds += ThreadCpuSeconds() - start;
  }

  SimRow Row() const override {
    SimRow row = row_;
    row.metadata_bytes = policy_->MetadataBytes();
    return row;
  }

 private:
  static constexpr std::size_t kAhead = 8;

  static std::size_t ExpectedEntries(const SimCell& cell) noexcept {
    return cell.bytes ? 0 : std::min<std::uint64_t>(cell.size, 1 << 16);
  }

  Arrival ArrivalOf(const Request& request) const noexcept {
    return {MixId(request.id), row_.cell.bytes ? request.size : 1, kNeverExpires};
  }

  void Insert(const Request& request) {
    Slot slot = 0;
    if (free_.empty()) {
      slot = static_cast<Slot>(ids_.size());
      ids_.push_back(request.id);
    } else {
      slot = free_.back();
      free_.pop_back();
      ids_[slot] = request.id;
    }
    index_.Insert(request.id, slot);
    policy_->OnInsert(slot, ArrivalOf(request), evicted_);
    Release(slot);
  }

  /// Frees what the policy let go; the newcomer was not evicted but never admitted.
  void Release(Slot newcomer) {
    for (const Slot slot : evicted_) {
      row_.evictions += slot != newcomer;
      index_.Erase(ids_[slot]);
      free_.push_back(slot);
    }
    evicted_.clear();
  }

  void Write(const Request& request) {
    const Slot slot = index_.Find(request.id);
    if (request.op == TraceOp::kDelete) {
      if (slot == kNoSlot) return;
      policy_->OnRemove(slot);
      index_.Erase(request.id);
      free_.push_back(slot);
    } else if (slot == kNoSlot) {
      Insert(request);
    } else {
      policy_->OnUpdate(slot, ArrivalOf(request), evicted_);
      Release(kNoSlot);
    }
  }

  std::unique_ptr<P> policy_;
  IdIndex index_;
  std::vector<std::uint64_t> ids_;
  std::vector<Slot> free_;
  std::vector<Slot> evicted_;
  SimRow row_;
};

}  // namespace perf::cache
