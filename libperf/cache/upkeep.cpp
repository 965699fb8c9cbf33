// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/upkeep.hpp"

#include "libperf/base/error.hpp"

namespace perf::cache {

Upkeep::Upkeep(int workers) : limit_(workers) {
  if (workers < 1 || workers > 256) throw ConfigError("a cache needs 1 to 256 background threads");
}

Upkeep::~Upkeep() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  timer_changed_.notify_all();
  work_changed_.notify_all();
  if (timer_.joinable()) timer_.join();
  for (std::thread& worker : workers_) worker.join();
}

void Upkeep::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    if (idle_ < static_cast<int>(work_.size()) && static_cast<int>(workers_.size()) < limit_ &&
        !stopping_) {
      workers_.emplace_back([this] { RunWork(); });
    }
  }
  work_changed_.notify_one();
}

Upkeep::TimerId Upkeep::At(TimePoint at, std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  const TimerId id = next_++;
  const auto added = timers_.emplace(std::pair(at, id), std::move(work)).first;
  due_.emplace(id, at);
  if (!timer_.joinable()) timer_ = std::thread([this] { RunTimers(); });
  if (added == timers_.begin()) timer_changed_.notify_one();
  return id;
}

bool Upkeep::Cancel(TimerId id) {
  std::function<void()> dropped;  // Destroyed after the lock is gone: it may own anything.
  const std::lock_guard lock(mutex_);
  const auto found = due_.find(id);
  if (found == due_.end()) return false;
  const auto timer = timers_.find({found->second, id});
  dropped = std::move(timer->second);
  timers_.erase(timer);
  due_.erase(found);
  return true;
}

void Upkeep::RunTimers() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (timers_.empty()) {
      timer_changed_.wait(lock);
      continue;
    }
    const TimePoint at = timers_.begin()->first.first;
    if (at > Clock::now()) {
      if (at == TimePoint::max()) {
        timer_changed_.wait(lock);  // A wait until the end of time overflows.
      } else {
        timer_changed_.wait_until(lock, at);
      }
      continue;
    }
    const auto first = timers_.begin();
    std::function<void()> work = std::move(first->second);
    due_.erase(first->first.second);
    timers_.erase(first);
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

void Upkeep::RunWork() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (work_.empty()) {
      if (stopping_) return;
      ++idle_;
      work_changed_.wait(lock);
      --idle_;
      continue;
    }
    std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace perf::cache
