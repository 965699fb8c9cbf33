// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/collector.hpp"

#include <utility>

namespace perf::load {

Collector::Collector(const Scenario& scenario, std::size_t loops)
    : scenario_(scenario), loops_(loops) {}

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

void Collector::Deliver(std::unique_ptr<Interval> interval) {
  {
    const std::lock_guard lock(mutex_);
    Pending& pending = pending_[interval->second];
    ++pending.delivered;
    if (!pending.merged) {
      pending.merged = std::move(interval);
    } else {
      pending.merged->Merge(*interval);
      interval->Reset();
      unused_.push_back(std::move(interval));
    }
  }
  changed_.notify_one();
}

void Collector::LoopFinished() {
  {
    const std::lock_guard lock(mutex_);
    ++finished_;
  }
  changed_.notify_one();
}

bool Collector::Ready() const {
  if (pending_.empty()) return false;
  const bool complete = pending_.begin()->second.delivered + finished_ >= loops_;
  // A loop that is more than two seconds behind does not hold the others' figures back; what it
  // delivers late counts in the second in which it arrives.
  return complete || pending_.size() > 3;
}

std::unique_ptr<Interval> Collector::Take(Deadline deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline.At(), [this] { return Ready() || finished_ == loops_; });
  if (!Ready()) return nullptr;
  auto first = pending_.extract(pending_.begin());
  return std::move(first.mapped().merged);
}

void Collector::GiveBack(std::unique_ptr<Interval> interval) {
  interval->Reset();
  const std::lock_guard lock(mutex_);
  unused_.push_back(std::move(interval));
}

bool Collector::Exhausted() const {
  const std::lock_guard lock(mutex_);
  return finished_ == loops_ && pending_.empty();
}

}  // namespace perf::load
