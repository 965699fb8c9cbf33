// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/blocking_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/quick_clock.hpp"
#include "libperf/pool/parker.hpp"

namespace perf::pool {
namespace {

/// A thread in the queue.
class ThreadWaiter final : public Waiter {
 public:
  ThreadWaiter() : Waiter(Parker::Mine()) {}

 private:
  void Grant(Slot&) noexcept override {}
  void Fail(const Refusal&) noexcept override {}
};

/// What a caller's function says of a resource. One that throws says that it is of no use: its
/// place must not be lost with it.
bool Fit(const std::function<bool(Resource&)>& care, Resource& resource) noexcept {
  try {
    return care(resource);
  } catch (...) {
    return false;
  }
}

class QuietFlag final : public Core::QuietWatch {
 public:
  bool Wait(Deadline deadline) {
    std::unique_lock lock(mutex_);
    const auto quiet = [&] { return quiet_; };
    if (!deadline.IsNever()) return changed_.wait_until(lock, deadline.At(), quiet);
    changed_.wait(lock, quiet);
    return true;
  }

 private:
  void Quiet() noexcept override {
    const std::lock_guard lock(mutex_);
    quiet_ = true;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool quiet_ = false;
};

}  // namespace

BlockingState::BlockingState(BlockingPool::Options the_options, BlockingPool::Dial dial)
    : options(std::move(the_options)),
      core(options.limits, options.seed, Sharing::kThreads, options.name),
      dial_(std::move(dial)) {}

void BlockingState::Start() {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([this] { RunUpkeep(); });
}

void BlockingState::Stop() {
  std::vector<std::thread> threads;
  if (core.InForkedChild()) {
    // The threads are the parent's, and its mutex may be locked for ever: nothing here is ours.
    for (std::thread& thread : threads_) thread.detach();
    threads_.clear();
    return;
  }
  core.Close(Clock::now());
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    threads.swap(threads_);
  }
  work_.notify_all();
  decide_.notify_all();
  for (std::thread& thread : threads) thread.join();
  self_ = shared_from_this();
  if (core.WatchQuiet(*this)) self_.reset();
  stopped_.store(true, std::memory_order_release);
}

Slot* BlockingState::AcquireSlowly(Deadline deadline, Core::Where where,
                                   BlockingPool::Refused& refused) {
  const auto refuse = [&](Cause cause, TimePoint at, Duration waited) {
    refused.details = std::make_unique<Refusal>(core.Explain(cause, at));
    refused.details->waited = waited;
    refused.cause = refused.details->cause;
    return nullptr;
  };
  TimePoint now = QuickNow();
  const TimePoint began = now;
  ThreadWaiter waiter;
  Parker& parker = Parker::Mine();
  const Cause cause = core.Enqueue(waiter, now, where);
  if (cause != Cause::kNone) return refuse(cause, now, {});
  StartDials(now);
  for (;;) {
    switch (waiter.State()) {
      case Waiter::Status::kDelivered: return &waiter.Given();
      case Waiter::Status::kFailed: return refuse(waiter.FailedBecause(), now, now - began);
      case Waiter::Status::kOutside:
      case Waiter::Status::kWaiting: break;
    }
    if (core.TryQueued(waiter, now)) continue;
    if (deadline.Passed(now)) {
      refuse(Cause::kNone, now, now - began);  // with this one still in the queue
      if (core.Remove(waiter, now)) return nullptr;
      refused = {};
      continue;
    }
    parker.Wait(deadline);
    now = QuickNow();
  }
}

void BlockingState::GiveBack(Slot& slot) noexcept {
  if (options.reset && slot.Get().NeedsReset() && slot.Get().Reusable()) {
    core.MarkBusy(slot);
    if (!Fit(options.reset, slot.Get())) slot.MarkBroken();
  }
  const Core::Quickly quickly = core.ReturnQuickly(slot, TimePoint{});
  if (quickly != Core::Quickly::kDone) GiveBackSlowly(slot, quickly);
}

void BlockingState::GiveBackSlowly(Slot& slot, Core::Quickly quickly) noexcept {
  const TimePoint now = QuickNow();
  quickly == Core::Quickly::kAttend ? core.Attend(now) : core.Return(slot, now);
  StartDials(now);
}

void BlockingState::StartDials(TimePoint now) {
  while (Slot* slot = core.StartDial(now)) {
    const std::string why = PassOn(*slot);
    if (!why.empty()) core.DialFailed(*slot, why, now);
  }
  PlanDecision(now);
}

/// Leaves a dial to the threads for it; says why it cannot.
std::string BlockingState::PassOn(Slot& slot) {
  const std::lock_guard lock(mutex_);
  to_dial_.push_back(&slot);
  // One thread more for each dial that finds none free; they stay, up to the bound of dials.
  if (stop_ || dialling_ + to_dial_.size() < threads_.size()) {
    work_.notify_one();
    return {};
  }
  try {
    threads_.emplace_back([this] { RunDials(); });
  } catch (const std::system_error& error) {
    work_.notify_one();
    // Those that there are do it in turn; beside the one that keeps up there may be none.
    if (threads_.size() > 1) return {};
    to_dial_.pop_back();
    return fmt::format("no thread to dial on: {}", error.code().message());
  }
  return {};
}

void BlockingState::PlanDecision(TimePoint now) {
  const TimePoint at = core.NextDecision(now);
  if (at == TimePoint::max()) return;
  const std::lock_guard lock(mutex_);
  if (at >= next_decision_) return;
  next_decision_ = at;
  decide_.notify_one();
}

void BlockingState::RunDials() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stop_ || !to_dial_.empty(); });
    if (to_dial_.empty()) return;
    Slot& slot = *to_dial_.front();
    to_dial_.pop_front();
    const bool stop = stop_;
    ++dialling_;
    lock.unlock();
    stop ? core.DialFailed(slot, "the pool was closed", Clock::now()) : DialOne(slot);
    lock.lock();
    --dialling_;
    dialled_.notify_all();
  }
}

void BlockingState::DialOne(Slot& slot) {
  std::string why;
  std::unique_ptr<Resource> resource;
  try {
    resource = dial_(Deadline::After(Clock::now(), options.connect_timeout), why);
  } catch (...) {
    why = ThrownText();
  }
  const TimePoint now = Clock::now();
  if (resource) {
    core.Dialled(slot, std::move(resource), now);
  } else {
    core.DialFailed(slot, why, now);
    const std::lock_guard lock(mutex_);
    ++failures_;
  }
  StartDials(now);
}

bool BlockingState::Prefill(Deadline deadline) {
  std::uint64_t failures = 0;
  {
    const std::lock_guard lock(mutex_);
    failures = failures_;
  }
  StartDials(Clock::now());
  const std::size_t min = core.Bounds().min;
  const auto done = [&] {
    const Counts counts = core.Now();
    return counts.Total() - counts.dialling >= min;
  };
  std::unique_lock lock(mutex_);
  dialled_.wait_until(lock, std::min(deadline.At(), Clock::now() + std::chrono::hours(24)),
                      [&] { return done() || failures_ != failures; });
  return done();
}

bool BlockingState::WaitQuiet(Deadline deadline) {
  QuietFlag flag;
  if (core.WatchQuiet(flag) || flag.Wait(deadline)) return true;
  // False: it is being called at this moment, and must be let finish.
  return !core.StopWatching(flag) && flag.Wait(Deadline::Never());
}

void BlockingState::RunUpkeep() {
  TimePoint upkeep = core.NextUpkeep(Clock::now());
  std::unique_lock lock(mutex_);
  while (!stop_) {
    decide_.wait_until(lock, std::min(upkeep, next_decision_));
    if (stop_) return;
    const TimePoint now = Clock::now();
    const bool decide = now >= next_decision_;
    if (decide) next_decision_ = TimePoint::max();
    lock.unlock();
    if (now >= upkeep) {
      Upkeep(now);
      upkeep = core.NextUpkeep(now);
    } else if (decide) {
      StartDials(now);
    }
    lock.lock();
  }
}

/// A report that fails must not end the thread that keeps the pool up, and the program with it.
void BlockingState::Tell(const Holder& leak) noexcept {
  try {
    options.on_leak(leak);
  } catch (...) {
    Log(LogLevel::kWarn, "pool {}: a leak could not be told of: {}", options.name, ThrownText());
  }
}

void BlockingState::Upkeep(TimePoint now) {
  core.Reap(now);
  while (Slot* slot = core.TakeForPing(now)) {
    const bool alive = options.ping ? Fit(options.ping, slot->Get()) : slot->Get().Alive();
    if (!alive) slot->MarkBroken();
    core.Return(*slot, Clock::now());
  }
  if (options.on_leak) {
    for (const Holder& leak : core.TakeLeaks()) Tell(leak);
  }
  StartDials(Clock::now());
}

}  // namespace perf::pool
