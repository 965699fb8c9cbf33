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
  /// What loop number `loop` saw in `interval->second`; each loop's seconds rise.
  void Deliver(std::unique_ptr<Interval> interval, std::size_t loop);
  /// This loop delivers nothing more.
  void LoopFinished(std::size_t loop);

  /// The next whole second, merged over the loops; nothing when the deadline passes first or
  /// when all loops have finished and everything was taken.
  std::unique_ptr<Interval> Take(Deadline deadline);
  void GiveBack(std::unique_ptr<Interval> interval);
  /// All loops have finished and everything was taken.
  bool Exhausted() const;

 private:
  bool Ready() const;
  bool AllFinished() const;

  const Scenario& scenario_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int64_t, std::unique_ptr<Interval>> pending_;  // merged, by second
  std::vector<std::unique_ptr<Interval>> unused_;
  std::vector<std::int64_t> reached_;  // by loop: the last second delivered; kFinished at its end
  std::int64_t taken_ = -1;            // the last second taken out
};

}  // namespace perf::load
