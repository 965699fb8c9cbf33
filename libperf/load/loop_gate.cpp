// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/loop_gate.hpp"

#include <utility>

namespace perf::load {

void LoopGate::Post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (loop_ != nullptr) {
      work_.push_back(std::move(work));
      // The queue stays here and not in the loop, which would keep what it never gets to.
      if (work_.size() == 1) loop_->Post([this] { RunAll(); });
      return;
    }
  }
  work = nullptr;  // without the lock: whoever learns of it may post
}

void LoopGate::RunAll() {
  std::vector<std::function<void()>> due;
  {
    const std::lock_guard lock(mutex_);
    due.swap(work_);
  }
  for (auto& work : due) {
    work();
    work = nullptr;
  }
}

void LoopGate::Close() {
  std::vector<std::function<void()>> dropped;
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
  dropped.swap(work_);
  // `dropped` goes after the lock does: declared before it.
}

}  // namespace perf::load
