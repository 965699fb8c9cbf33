// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/blocking_face.hpp"

#include <utility>

#include "libperf/cache/cache_state.hpp"

namespace perf::cache {

Rider ParkedRider::MakeRider(std::uint64_t id, bool loads, std::function<void(LoadDone)> background,
                             std::shared_ptr<const EntryOptions> options) {
  id_ = id;
  Rider rider;
  rider.id = id;
  if (loads) {
    rider.load = [self = shared_from_this()](LoadDone done, std::function<void()> decline) {
      self->Chosen({std::move(done), std::move(decline)});
    };
    rider.background = std::move(background);
    rider.in_own_thread = true;
  }
  rider.options = std::move(options);
  rider.done = [self = shared_from_this()](Answer answer) { self->Answered(std::move(answer)); };
  return rider;
}

void ParkedRider::Answered(Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
  }
  changed_.notify_one();
}

void ParkedRider::Chosen(Job job) {
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  changed_.notify_one();
}

Answer ParkedRider::Ride(Flight& flight, const Loader* loader, Deadline deadline) {
  std::unique_lock lock(mutex_);
  while (true) {
    const bool signalled = ParkUntil(changed_, lock, deadline, [this] { return answer_ || job_; });
    if (answer_) return std::move(*answer_);
    if (job_) {
      const Job job = std::move(*std::exchange(job_, std::nullopt));
      lock.unlock();
      if (deadline.Passed(Clock::now())) {
        job.decline();
        return flight.AtDeadline();
      }
      CacheState::Run(*loader, job.done);
      lock.lock();
      continue;
    }
    if (signalled) continue;
    lock.unlock();
    if (flight.Leave(id_)) return flight.AtDeadline();
    // An answer or the loader's turn is on its way.
    lock.lock();
    changed_.wait(lock, [this] { return answer_ || job_; });
  }
}

}  // namespace perf::cache
