// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim/future.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/cache/policy/slot_heap.hpp"
#include "libperf/cache/sim/id_index.hpp"
#include "libperf/cache/sim/replay.hpp"

namespace perf::cache {

namespace {

std::uint32_t Saturated(std::uint64_t size) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(size, 1, Future::kNever));
}

/// The furthest use is on top.
struct NextUse {
  std::uint32_t at;
  bool operator<(const NextUse& other) const noexcept { return at > other.at; }
};

class MinCache {
 public:
  MinCache(const SimCell& cell, const Future& future)
      : future_(future), bypass_(cell.policy == "optb"), sizes_(cell.bytes) {
    row_.cell = cell;
    if (sizes_) weights_.resize(future.distinct);
  }

  SimRow Run() {
    const double start = ThreadCpuSeconds();
    for (std::size_t i = 0; i < future_.keys.size(); ++i) {
      Step(i, future_.ops.empty() ? TraceOp::kGet : future_.ops[i]);
    }
    row_.cpu_seconds = ThreadCpuSeconds() - start;
    row_.metadata_bytes = future_.Bytes() + heap_.Bytes() + weights_.capacity() * 4;
    return row_;
  }

 private:
  std::uint64_t SizeAt(std::size_t i) const noexcept {
    return future_.sizes.empty() ? 1 : future_.sizes[i];
  }
  std::uint64_t WeightAt(std::size_t i) const noexcept { return sizes_ ? SizeAt(i) : 1; }

  void Step(std::size_t i, TraceOp op) {
    const std::uint32_t key = future_.keys[i];
    const std::uint64_t size = SizeAt(i);
    const bool held = heap_.Holds(key);
    if (op == TraceOp::kGet) {
      ++row_.requests;
      row_.bytes += size;
      if (held) {
        ++row_.hits;
        row_.bytes_hit += size;
        heap_.Set(key, {future_.next[i]});
        return;
      }
      row_.refused += WeightAt(i) > row_.cell.size;
    } else if (held) {
      Drop(key);
    }
    if (op != TraceOp::kDelete) Insert(i, key);
  }

  void Insert(std::size_t i, std::uint32_t key) {
    const std::uint64_t weight = WeightAt(i);
    if (weight > row_.cell.size) return;
    while (used_ > row_.cell.size - weight) {
      if (bypass_ && heap_.TopKey().at <= future_.next[i]) return;
      Drop(heap_.Top());
      ++row_.evictions;
    }
    if (sizes_) weights_[key] = static_cast<std::uint32_t>(weight);
    used_ += weight;
    heap_.Set(key, {future_.next[i]});
  }

  void Drop(std::uint32_t key) noexcept {
    used_ -= sizes_ ? weights_[key] : 1;
    heap_.Erase(key);
  }

  const Future& future_;
  const bool bypass_, sizes_;
  SlotHeap<NextUse> heap_;
  std::vector<std::uint32_t> weights_;
  std::uint64_t used_ = 0;
  SimRow row_;
};

}  // namespace

SimRow ReplayFuture(const SimCell& cell, const Future& future) {
  return MinCache(cell, future).Run();
}

std::uint64_t Future::Bytes() const noexcept {
  return (keys.capacity() + next.capacity() + sizes.capacity()) * sizeof(std::uint32_t) +
         ops.capacity() * sizeof(TraceOp);
}

std::uint64_t Future::Needs(const TraceSurvey& survey, bool with_sizes) noexcept {
  // Arrays double as they grow; the index of ids is at least a quarter full, 16 bytes a cell.
  return survey.requests * (8 + 4 + (with_sizes ? 8 : 0)) + survey.distinct * (64 + 4 + 16);
}

Future Future::Read(TraceReader& reader, const std::function<bool(std::uint64_t)>& go_on) {
  Future future;
  IdIndex index;
  const bool with_sizes = reader.HasSizes();
  std::vector<Request> batch(8192);
  for (std::size_t count = 0; (count = reader.Read(batch)) > 0;) {
    if (future.keys.size() + count >= kNever) {
      throw ConfigError("the trace has more requests than opt can take: 4,294,967,294");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Request& request = batch[i];
      Slot key = index.Find(request.id);
      if (key == kNoSlot) {
        key = static_cast<Slot>(future.distinct++);
        index.Insert(request.id, key);
      }
      if (request.op != TraceOp::kGet || !future.ops.empty()) {
        future.ops.resize(future.keys.size(), TraceOp::kGet);  // those before the first other one
        future.ops.push_back(request.op);
      }
      future.keys.push_back(key);
      if (with_sizes) future.sizes.push_back(Saturated(request.size));
    }
    if (go_on && !go_on(future.keys.size())) break;
  }
  future.LinkNext();
  return future;
}

/// What is written or deleted before it is read again need not be kept: only a get counts as next.
void Future::LinkNext() {
  next.resize(keys.size());
  std::vector<std::uint32_t> seen(distinct, kNever);
  for (std::size_t i = keys.size(); i-- > 0;) {
    next[i] = seen[keys[i]];
    const bool get = ops.empty() || ops[i] == TraceOp::kGet;
    seen[keys[i]] = get ? static_cast<std::uint32_t>(i) : kNever;
  }
}

}  // namespace perf::cache
