// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/rate_limit.hpp"

#include <algorithm>

namespace perf::service {

RateLimit::RateLimit(Duration interval, unsigned burst, std::size_t most_keys)
    : interval_(interval), burst_(interval * burst), most_keys_(most_keys) {}

Duration RateLimit::Take(std::string_view key, TimePoint now) {
  const std::lock_guard lock(mutex_);
  TimePoint& due = Slot(key, now);
  const TimePoint next = std::max(due, now) + interval_;
  if (next - now > burst_) return next - now - burst_;
  due = next;
  return Duration::zero();
}

std::size_t RateLimit::Keys() const {
  const std::lock_guard lock(mutex_);
  return due_.size();
}

TimePoint& RateLimit::Slot(std::string_view key, TimePoint now) {
  const std::string name(key);
  if (const auto found = due_.find(name); found != due_.end()) return found->second;
  if (due_.size() >= most_keys_) {
    std::erase_if(due_, [&](const auto& entry) { return entry.second <= now; });
    if (due_.size() >= most_keys_) return shared_;
  }
  return due_[name];
}

}  // namespace perf::service
