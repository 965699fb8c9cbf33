// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::bench {

/// Threads that live as long as one point of a benchmark and start each piece of work together, so
/// that what a pool keeps per thread survives from slice to slice.
/// Thread safety: none; used by the thread that made it. Lifetime: the destructor waits for work
/// that was started.
class PERF_EXPORT Crew {
 public:
  explicit Crew(std::size_t threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// Calls `work(worker)` on each thread. Requires: the work before is done; it must not throw.
  void Start(std::function<void(std::size_t worker)> work);
  /// Whether all are done, waiting for it until the deadline.
  bool Await(Deadline deadline);
  /// How many have not finished the work that was started last.
  std::size_t Busy();
  std::size_t Size() const noexcept { return threads_.size(); }

 private:
  void Serve(std::size_t worker);

  std::mutex mutex_;
  std::condition_variable started_, finished_;
  std::function<void(std::size_t)> work_;
  std::uint64_t round_ = 0;
  std::size_t busy_ = 0;
  bool ending_ = false;
  std::vector<std::jthread> threads_;  // last: they use what stands above
};

}  // namespace perf::bench
