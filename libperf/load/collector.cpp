// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/collector.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace perf::load {
namespace {

constexpr std::int64_t kFinished = std::numeric_limits<std::int64_t>::max();

}  // namespace

Collector::Collector(const Scenario& scenario, std::size_t loops)
    : scenario_(scenario), reached_(loops, -1) {}

std::unique_ptr<Interval> Collector::Fresh() {
  {
    const std::lock_guard lock(mutex_);
    if (!unused_.empty()) {
      std::unique_ptr<Interval> interval = std::move(unused_.back());
      unused_.pop_back();
      return interval;
    }
  }
  return std::make_unique<Interval>(Interval::For(scenario_));
}

void Collector::Deliver(std::unique_ptr<Interval> interval, std::size_t loop) {
  {
    const std::lock_guard lock(mutex_);
    reached_[loop] = std::max(reached_[loop], interval->second);
    // Too late for its own second: that one is taken already, and no second is given twice.
    interval->second = std::max(interval->second, taken_ + 1);
    std::unique_ptr<Interval>& merged = pending_[interval->second];
    if (!merged) {
      merged = std::move(interval);
    } else {
      merged->Merge(*interval);
      interval->Reset();
      unused_.push_back(std::move(interval));
    }
  }
  changed_.notify_one();
}

void Collector::LoopFinished(std::size_t loop) {
  {
    const std::lock_guard lock(mutex_);
    reached_[loop] = kFinished;
  }
  changed_.notify_one();
}

bool Collector::Ready() const {
  if (pending_.empty()) return false;
  const std::int64_t first = pending_.begin()->first;
  const bool complete = std::all_of(reached_.begin(), reached_.end(),
                                    [&](std::int64_t second) { return second >= first; });
  // A loop that is more than two seconds behind does not hold the others' figures back; what it
  // delivers late counts in the second in which it arrives.
  return complete || pending_.size() > 3;
}

bool Collector::AllFinished() const {
  return std::all_of(reached_.begin(), reached_.end(),
                     [](std::int64_t second) { return second == kFinished; });
}

std::unique_ptr<Interval> Collector::Take(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline.At(), [this] { return Ready() || AllFinished(); });
  if (!Ready()) return nullptr;
  auto first = pending_.extract(pending_.begin());
  taken_ = first.key();
  return std::move(first.mapped());
}

void Collector::GiveBack(std::unique_ptr<Interval> interval) {
  interval->Reset();
  const std::lock_guard lock(mutex_);
  unused_.push_back(std::move(interval));
}

bool Collector::Exhausted() const {
  const std::lock_guard lock(mutex_);
  return AllFinished() && pending_.empty();
}

}  // namespace perf::load
