// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/recorder.hpp"

namespace perf::load {

/// Where the loops' intervals meet: each loop delivers one a second, the runner takes whole
/// seconds out. Used intervals go back to the loops, so that a long run allocates none.
/// Thread safety: all methods. Memory: bounded by seconds that a slow loop is behind (at most 2
/// are waited for).
class PERF_EXPORT Collector {
 public:
  Collector(const Scenario& scenario, std::size_t loops);

  /// An empty interval to record into.
  std::unique_ptr<Interval> Fresh();
  void Deliver(std::unique_ptr<Interval> interval);
  /// This loop delivers nothing more.
  void LoopFinished();

  /// The next whole second, merged over the loops; nothing when the deadline passes first or
  /// when all loops have finished and everything was taken.
  std::unique_ptr<Interval> Take(Deadline deadline);
  void GiveBack(std::unique_ptr<Interval> interval);
  /// All loops have finished and everything was taken.
  bool Exhausted() const;

 private:
  struct Pending {
    std::unique_ptr<Interval> merged;
    std::size_t delivered = 0;
  };
  bool Ready() const;

  const Scenario& scenario_;
  const std::size_t loops_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int64_t, Pending> pending_;
  std::vector<std::unique_ptr<Interval>> unused_;
  std::size_t finished_ = 0;
};

}  // namespace perf::load
