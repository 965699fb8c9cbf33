// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/pool/blocking_pool.hpp"
#include "libperf/pool/resource.hpp"

namespace perf::bench {

/// A target whose connections do nothing and whose dials take as long as they are told to, to fail
/// or to succeed, for the verbs that look at the pool alone.
/// Thread safety: all methods. Lifetime: outlives the pools that dial it.
class StubTarget {
 public:
  explicit StubTarget(Duration connect = Duration::zero()) : connect_(connect) {}

  /// For BlockingPool.
  pool::BlockingPool::Dial Dialler();
  /// From now on dials fail with this text; empty: they succeed again.
  void Refuse(std::string why);
  /// Ends the dials under way, and the time that later ones take.
  void Hurry();
  std::size_t MostDialling() const noexcept { return most_; }

 private:
  std::unique_ptr<pool::Resource> Connect(Deadline deadline, std::string& why);

  std::mutex mutex_;
  std::condition_variable changed_;
  Duration connect_;
  std::string refusal_;
  std::atomic<std::size_t> dialling_{0}, most_{0};
};

}  // namespace perf::bench
