// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libperf/pool/blocking_pool.hpp"

namespace perf::pool {

/// What a BlockingPool and its loans share: the core, the threads that dial, and the one that keeps
/// it up.
/// Thread safety: all methods. Lifetime: by shared_ptr, see blocking_pool.cpp.
class BlockingState final : public std::enable_shared_from_this<BlockingState>,
                            private Core::QuietWatch {
 public:
  BlockingState(BlockingPool::Options the_options, BlockingPool::Dial dial);
  void Start();
  /// Closes the pool and joins its threads.
  void Stop();
  bool OnlyMemory() const noexcept { return stopped_.load(std::memory_order_acquire); }

  Slot* AcquireSlowly(Deadline deadline, Core::Where where, BlockingPool::Refused& refused);
  void GiveBack(Slot& slot) noexcept;
  void GiveBackSlowly(Slot& slot, Core::Quickly quickly) noexcept;
  void StartDials(TimePoint now);
  bool Prefill(Deadline deadline);
  bool WaitQuiet(Deadline deadline);

  const BlockingPool::Options options;
  Core core;

 private:
  /// The last loan of a pool that is gone came back.
  void Quiet() noexcept override { self_.reset(); }
  void RunDials();
  std::string PassOn(Slot& slot);
  void DialOne(Slot& slot);
  void RunUpkeep();
  void Upkeep(TimePoint now);
  void Tell(const Holder& leak) noexcept;
  void PlanDecision(TimePoint now);

  const BlockingPool::Dial dial_;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable work_;     // for those who dial
  std::condition_variable decide_;   // for the one that keeps up
  std::condition_variable dialled_;  // for Prefill
  bool stop_ = false;
  std::deque<Slot*> to_dial_;
  std::size_t dialling_ = 0;
  std::uint64_t failures_ = 0;
  TimePoint next_decision_ = TimePoint::max();
  std::vector<std::thread> threads_;
  std::shared_ptr<BlockingState> self_;  // while the pool is gone, and loans are not back
};

}  // namespace perf::pool
