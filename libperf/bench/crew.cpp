// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/crew.hpp"

#include <cassert>
#include <utility>

namespace perf::bench {

Crew::Crew(std::size_t threads) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this, i] { Serve(i); });
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  started_.notify_all();
}

void Crew::Serve(std::size_t worker) {
  std::unique_lock lock(mutex_);
  for (std::uint64_t done = 0;;) {
    started_.wait(lock, [&] { return ending_ || round_ > done; });
    if (ending_) return;
    done = round_;
    // Not a copy: the next Start comes only after the last worker has reported.
    const auto& work = work_;
    lock.unlock();
    work(worker);
    lock.lock();
    if (--busy_ == 0) finished_.notify_all();
  }
}

void Crew::Start(std::function<void(std::size_t)> work) {
  {
    const std::lock_guard lock(mutex_);
    assert(busy_ == 0 && "the work before is done");
    work_ = std::move(work);
    busy_ = threads_.size();
    ++round_;
  }
  started_.notify_all();
}

bool Crew::Await(Deadline deadline) {
  std::unique_lock lock(mutex_);
  return finished_.wait_until(lock, deadline.At(), [&] { return busy_ == 0; });
}

std::size_t Crew::Busy() {
  const std::lock_guard lock(mutex_);
  return busy_;
}

}  // namespace perf::bench
