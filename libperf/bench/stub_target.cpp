// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/stub_target.hpp"

#include <utility>

#include "libperf/bench/stub_subjects.hpp"

namespace perf::bench {

pool::BlockingPool::Dial StubTarget::Dialler() {
  return [this](Deadline deadline, std::string& why) { return Connect(deadline, why); };
}

void StubTarget::Refuse(std::string why) {
  const std::lock_guard lock(mutex_);
  refusal_ = std::move(why);
}

void StubTarget::Hurry() {
  {
    const std::lock_guard lock(mutex_);
    connect_ = Duration::zero();
  }
  changed_.notify_all();
}

std::unique_ptr<pool::Resource> StubTarget::Connect(Deadline deadline, std::string& why) {
  const std::size_t now_dialling = ++dialling_;
  for (std::size_t seen = most_; seen < now_dialling;) {
    if (most_.compare_exchange_weak(seen, now_dialling)) break;
  }
  const TimePoint start = Clock::now();
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, Sooner(Deadline::After(start, connect_), deadline).At(),
                      [&] { return connect_ == Duration::zero(); });
  --dialling_;
  why = refusal_.empty() && deadline.Passed(Clock::now()) ? "timed out" : refusal_;
  return why.empty() ? std::make_unique<StubConnection>() : nullptr;
}

}  // namespace perf::bench
