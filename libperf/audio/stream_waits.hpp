// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "libperf/audio/stream.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/executor.hpp"

namespace perf::audio {

/// Who waits for streams, in a few shards, so that a stream that nobody waits for costs nothing.
/// Thread safety: all methods. Lifetime: longer than the streams'; async waits keep their stream.
class StreamWaits {
 public:
  using Done = std::function<void(Readiness)>;

  /// Parks the calling thread until `kind` holds, or the deadline.
  Readiness Wait(Stream& stream, WaitKind kind, Deadline deadline);
  /// The same, told to `done` on the executor; at the deadline by Expire.
  void WaitAsync(StreamRef stream, WaitKind kind, Deadline deadline, Executor& executor, Done done);
  /// Wakes who waits for what that side does.
  void Wake(Stream& stream, SlotQueue::Side side) noexcept;
  /// Ends async waits whose deadline has passed; returns when the next one will.
  TimePoint Expire(TimePoint now);

 private:
  struct Waiter;
  struct Shard {
    std::mutex mutex;
    std::vector<std::shared_ptr<Waiter>> waiters;
  };
  Shard& ShardOf(const Stream& stream) noexcept;
  void Enter(Stream& stream, const std::shared_ptr<Waiter>& waiter);
  static void Tell(const Waiter& waiter, Readiness readiness);
  /// An async waiter that was woken: told, or back again.
  void Look(const std::shared_ptr<Waiter>& waiter);

  std::array<Shard, 16> shards_;
};

}  // namespace perf::audio
