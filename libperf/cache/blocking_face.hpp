// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "libperf/base/clock.hpp"
#include "libperf/cache/answer.hpp"
#include "libperf/cache/flight.hpp"

namespace perf::cache {

/// Waits on `condition` until it holds or the deadline has passed; `lock` is held.
template <typename Holds>
bool ParkUntil(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
               Deadline deadline, Holds holds) {
  // A wait until the end of time overflows in the library.
  if (deadline.IsNever()) {
    changed.wait(lock, holds);
    return true;
  }
  return changed.wait_until(lock, deadline.At(), holds);
}

/// A thread that waits for a flight, and runs the loader itself when it is chosen to.
/// Thread safety: Answered and Chosen from anywhere; the rest is the waiting thread's.
class ParkedRider : public std::enable_shared_from_this<ParkedRider> {
 public:
  /// `loader` nullptr: a get.
  Rider MakeRider(std::uint64_t id, bool loads, std::function<void(LoadDone)> background,
                  std::shared_ptr<const EntryOptions> options);
  Answer Ride(Flight& flight, const Loader* loader, Deadline deadline);

 private:
  struct Job {
    LoadDone done;
    std::function<void()> decline;
  };
  void Answered(Answer answer);
  void Chosen(Job job);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t id_ = 0;
  std::optional<Answer> answer_;
  std::optional<Job> job_;
};

}  // namespace perf::cache
