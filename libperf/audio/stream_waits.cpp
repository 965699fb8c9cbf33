// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/stream_waits.hpp"

#include <algorithm>
#include <utility>

namespace perf::audio {
namespace {

using Side = SlotQueue::Side;

/// Whose doings end such a wait.
Side SideOf(WaitKind kind) noexcept {
  return kind == WaitKind::kPacket ? Side::kWriter : Side::kReader;
}

}  // namespace

struct StreamWaits::Waiter {
  const Stream* stream = nullptr;
  WaitKind kind = WaitKind::kPacket;
  bool inside = false;              // in its shard's list
  std::condition_variable changed;  // of one that parks
  // Of an asynchronous one:
  StreamRef kept;
  Executor* executor = nullptr;
  Done done;
  Deadline deadline = Deadline::Never();
};

StreamWaits::Shard& StreamWaits::ShardOf(const Stream& stream) noexcept {
  return shards_[(reinterpret_cast<std::uintptr_t>(&stream) >> 8U) % shards_.size()];
}

void StreamWaits::Enter(Stream& stream, const std::shared_ptr<Waiter>& waiter) {
  Shard& shard = ShardOf(stream);
  const std::lock_guard lock(shard.mutex);
  waiter->inside = true;
  shard.waiters.push_back(waiter);
  stream.queue_.Await(SideOf(waiter->kind));
}

Readiness StreamWaits::Wait(Stream& stream, WaitKind kind, Deadline deadline) {
  Readiness readiness = stream.Look(kind);
  if (readiness != Readiness::kNotYet) return readiness;
  const auto waiter = std::make_shared<Waiter>();
  waiter->stream = &stream;
  waiter->kind = kind;
  Shard& shard = ShardOf(stream);
  while (true) {
    Enter(stream, waiter);
    // What came before Enter is seen here; what comes after it wakes.
    readiness = stream.Look(kind);
    std::unique_lock lock(shard.mutex);
    const auto woken = [&] { return !waiter->inside; };
    bool late = false;
    if (readiness == Readiness::kNotYet) {
      if (deadline.IsNever()) {
        waiter->changed.wait(lock, woken);
      } else {
        late = !waiter->changed.wait_until(lock, deadline.At(), woken);
      }
    }
    if (waiter->inside) {
      std::erase(shard.waiters, waiter);
      waiter->inside = false;
    }
    lock.unlock();
    if (readiness == Readiness::kNotYet) readiness = stream.Look(kind);
    if (readiness != Readiness::kNotYet || late) return readiness;
  }
}

void StreamWaits::WaitAsync(StreamRef stream, WaitKind kind, Deadline deadline, Executor& executor,
                            Done done) {
  const auto waiter = std::make_shared<Waiter>();
  waiter->stream = stream.Get();
  waiter->kind = kind;
  waiter->kept = std::move(stream);
  waiter->executor = &executor;
  waiter->done = std::move(done);
  waiter->deadline = deadline;
  Look(waiter);
}

void StreamWaits::Tell(const Waiter& waiter, Readiness readiness) {
  waiter.executor->Post([done = waiter.done, readiness] { done(readiness); });
}

void StreamWaits::Look(const std::shared_ptr<Waiter>& waiter) {
  Stream& stream = *waiter->kept;
  Enter(stream, waiter);
  const Readiness readiness = stream.Look(waiter->kind);
  if (readiness == Readiness::kNotYet) return;
  {
    Shard& shard = ShardOf(stream);
    const std::lock_guard lock(shard.mutex);
    if (!waiter->inside) return;  // who took it out tells it
    std::erase(shard.waiters, waiter);
    waiter->inside = false;
  }
  Tell(*waiter, readiness);
}

void StreamWaits::Wake(Stream& stream, Side side) noexcept {
  std::vector<std::shared_ptr<Waiter>> asynchronous;
  {
    Shard& shard = ShardOf(stream);
    const std::lock_guard lock(shard.mutex);
    stream.queue_.StopAwaiting(side);
    std::erase_if(shard.waiters, [&](const std::shared_ptr<Waiter>& waiter) {
      if (waiter->stream != &stream || SideOf(waiter->kind) != side) return false;
      waiter->inside = false;
      if (waiter->executor != nullptr) {
        asynchronous.push_back(waiter);
      } else {
        waiter->changed.notify_one();
      }
      return true;
    });
  }
  for (const std::shared_ptr<Waiter>& waiter : asynchronous) Look(waiter);
}

TimePoint StreamWaits::Expire(TimePoint now) {
  TimePoint next = TimePoint::max();
  std::vector<std::shared_ptr<Waiter>> late;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::erase_if(shard.waiters, [&](const std::shared_ptr<Waiter>& waiter) {
      if (waiter->executor == nullptr) return false;
      if (!waiter->deadline.Passed(now)) {
        next = std::min(next, waiter->deadline.At());
        return false;
      }
      waiter->inside = false;
      late.push_back(waiter);
      return true;
    });
  }
  for (const std::shared_ptr<Waiter>& waiter : late) {
    Tell(*waiter, waiter->kept->Look(waiter->kind));
  }
  return next;
}

}  // namespace perf::audio
