// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/connection_pool.hpp"

#include <algorithm>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/pool/pool_metrics.hpp"
#include "libperf/pool/quick_clock.hpp"

namespace perf::backends {
namespace {

/// What a refusal is among the failures of requests.
Failure AsFailure(const pool::Refusal& why) {
  using pool::Cause;
  const bool unreachable =
      why.cause == Cause::kDown || why.cause == Cause::kBreakerOpen || why.cause == Cause::kForked;
  return Failure{unreachable ? ErrorKind::kConnect : ErrorKind::kTimeout, pool::Text(why)};
}

}  // namespace

Loan& Loan::operator=(Loan&& other) noexcept {
  if (this != &other) {
    Return();
    pool_ = other.pool_;
    slot_ = std::exchange(other.slot_, nullptr);
    failed_ = other.failed_;
    permit_ = std::move(other.permit_);
  }
  return *this;
}

void Loan::Return() noexcept {
  if (slot_ != nullptr) pool_->TakeBack(*std::exchange(slot_, nullptr), permit_, failed_);
}

ConnectionPool::ConnectionPool(EventLoop& loop, Options options, Dial dial)
    : loop_(loop),
      options_(std::move(options)),
      dial_(std::move(dial)),
      core_(options_.limits, options_.seed, pool::Sharing::kOneThread, options_.name),
      upkeep_(loop, [this] { Upkeep(); }) {}

void ConnectionPool::TakeBack(pool::Slot& slot, pool::Breaker::Permit& permit,
                              bool failed) noexcept {
  if (permit || options_.times != nullptr) {
    const TimePoint now = Clock::now();
    const Duration used = now - slot.BorrowedAt();
    if (options_.times != nullptr) options_.times->use.Observe(used);
    failed = failed || !slot.Get().Reusable();
    if (permit) {
      options_.breaker->Record(
          std::move(permit),
          failed ? pool::Breaker::Outcome::kFailure : pool::Breaker::Outcome::kSuccess, used, now);
    }
  }
  if (options_.reset && slot.Get().NeedsReset() && slot.Get().Reusable() && !loop_.Cancelled()) {
    core_.MarkBusy(slot);
    loop_.Spawn(CareFor(slot, options_.reset));
    return;
  }
  GiveBack(slot);
}

void ConnectionPool::GiveBack(pool::Slot& slot) noexcept {
  using Quickly = pool::Core::Quickly;
  const Quickly quickly = core_.ReturnQuickly(slot, pool::CoarseNow());
  if (quickly == Quickly::kDone) return;
  const TimePoint now = Clock::now();
  quickly == Quickly::kAttend ? core_.Attend(now) : core_.Return(slot, now);
  StartDials(now);
}

Task<void> ConnectionPool::CareFor(pool::Slot& slot, const Care& care) {
  const Deadline deadline = Deadline::After(Clock::now(), options_.care_timeout);
  bool fit = false;
  try {
    fit = co_await care(slot.As<Connection>(), deadline);
  } catch (...) {
    // The place must not be lost with the connection.
    Log(LogLevel::kWarn, "pool {}: a reset or ping threw: {}", options_.name, ThrownText());
  }
  if (!fit) slot.MarkBroken();
  GiveBack(slot);
}

void ConnectionPool::StartDials(TimePoint now) {
  if (loop_.Cancelled()) return;
  if (!upkeep_.Armed()) upkeep_.Arm(Deadline(core_.NextUpkeep(now)));
  while (pool::Slot* slot = core_.StartDial(now)) loop_.Spawn(DialOne(*slot));
  PlanDecision(now);
}

/// Asks the core again when it wants to be asked.
void ConnectionPool::PlanDecision(TimePoint now) {
  const TimePoint at = core_.NextDecision(now);
  // Without waiters there is no hurry: the next upkeep is soon enough.
  if (at >= planned_ || core_.Now().waiting == 0) return;
  planned_ = at;
  loop_.Spawn(DecideAt(at));
}

Task<void> ConnectionPool::DecideAt(TimePoint at) {
  co_await loop_.SleepUntil(at);
  if (planned_ == at) planned_ = TimePoint::max();
  StartDials(Clock::now());
}

Task<void> ConnectionPool::DialOne(pool::Slot& slot) {
  const TimePoint began = Clock::now();
  Dialled<Connection> dialled;
  try {
    dialled = co_await dial_(Deadline::After(began, options_.connect_timeout));
  } catch (...) {
    dialled.connection.reset();
    dialled.failure = {ErrorKind::kConnect, ThrownText()};
  }
  const TimePoint now = Clock::now();
  if (dialled.connection) {
    if (options_.times != nullptr) options_.times->create.Observe(now - began);
    core_.Dialled(slot, std::move(dialled.connection), now);
  } else {
    core_.DialFailed(slot, dialled.failure.text, now);
  }
  StartDials(now);
}

Task<Failure> ConnectionPool::Probe(Deadline deadline) {
  const TimePoint began = Clock::now();
  Dialled<Connection> dialled = co_await dial_(deadline);
  Failure failure = dialled.failure;
  const TimePoint now = Clock::now();
  if (dialled.connection) {
    if (options_.times != nullptr) options_.times->create.Observe(now - began);
    core_.Adopt(std::move(dialled.connection), now, now - began);
  }
  co_return failure;
}

void ConnectionPool::Reap(TimePoint now) {
  core_.Reap(now);
  while (!loop_.Cancelled()) {
    pool::Slot* slot = core_.TakeForPing(now);
    if (slot == nullptr) break;
    if (options_.ping) {
      loop_.Spawn(CareFor(*slot, options_.ping));
    } else {
      if (!slot->Get().Alive()) slot->MarkBroken();
      core_.Return(*slot, now);
    }
  }
  if (options_.on_leak) {
    for (const pool::Holder& leak : core_.TakeLeaks()) options_.on_leak(leak);
  }
  StartDials(now);
}

void ConnectionPool::Upkeep() {
  if (loop_.Cancelled()) return;
  const TimePoint now = Clock::now();
  Reap(now);
  if (!core_.Closed()) upkeep_.Arm(Deadline(core_.NextUpkeep(now)));
}

void ConnectionPool::Invalidate() {
  const TimePoint now = Clock::now();
  core_.Invalidate(now);
  StartDials(now);
}

void ConnectionPool::Resize(std::size_t min, std::size_t max) {
  const TimePoint now = Clock::now();
  core_.Resize(min, max, now);
  StartDials(now);
}

/// Waits until nothing is lent; gives whether that came before the deadline.
class ConnectionPool::QuietWait final : public pool::Core::QuietWatch {
 public:
  QuietWait(ConnectionPool& pool, Deadline deadline)
      : pool_(pool), deadline_(deadline), alarm_(pool.loop_, [this] { Expire(); }) {}
  ~QuietWait() override { pool_.core_.StopWatching(*this); }
  bool await_ready() {
    quiet_ = pool_.core_.WatchQuiet(*this);
    return quiet_ || pool_.loop_.Cancelled();
  }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    alarm_.Arm(deadline_);
  }
  bool await_resume() const noexcept { return quiet_; }

 private:
  void Quiet() noexcept override {
    quiet_ = true;
    alarm_.Disarm();
    pool_.loop_.Schedule(handle_);
  }
  void Expire() {
    if (pool_.core_.StopWatching(*this)) pool_.loop_.Schedule(handle_);
  }
  ConnectionPool& pool_;
  Deadline deadline_;
  Alarm alarm_;
  std::coroutine_handle<> handle_;
  bool quiet_ = false;
};

Task<bool> ConnectionPool::Pause(Deadline deadline, bool refuse) {
  core_.Pause(refuse, Clock::now());
  QuietWait wait(*this, deadline);
  const bool quiet = co_await wait;
  co_return quiet;
}

void ConnectionPool::Resume() {
  const TimePoint now = Clock::now();
  core_.Resume(now);
  StartDials(now);
}

Task<bool> ConnectionPool::Drain(Deadline deadline) {
  core_.Close(Clock::now());
  QuietWait wait(*this, deadline);
  const bool quiet = co_await wait;
  co_return quiet;
}

ConnectionPool::Acquire::~Acquire() {
  if (State() == Status::kWaiting) pool_.core_.Remove(*this, Clock::now());
  if (slot_ != nullptr) {
    // Given something, but never resumed: it passes it on.
    const TimePoint now = Clock::now();
    pool_.core_.Forward(*slot_, now);
    pool_.StartDials(now);
  }
}

bool ConnectionPool::Acquire::await_ready() {
  if (pool_.options_.breaker != nullptr) {
    permit_ = pool_.options_.breaker->Allow(now_);
    if (!permit_) {
      Refuse(pool::Cause::kBreakerOpen, now_);
      why_->connect_error = pool_.options_.breaker->WhyOpen(now_);
      return true;
    }
  }
  slot_ = pool_.core_.TryTake(now_, where_);
  return slot_ != nullptr;
}

bool ConnectionPool::Acquire::await_suspend(std::coroutine_handle<> handle) {
  if (pool_.loop_.Cancelled()) {
    Refuse(pool::Cause::kClosed, now_);
    return false;
  }
  handle_ = handle;
  alarm_.emplace(pool_.loop_, [this] { Expire(); });
  const pool::Cause cause = pool_.core_.Enqueue(*this, now_, where_);
  if (cause != pool::Cause::kNone) {
    alarm_.reset();
    Refuse(cause, now_);
    return false;
  }
  if (State() == Status::kWaiting) {
    alarm_->Arm(Sooner(until_, Deadline::After(now_, pool_.options_.acquire_timeout)));
  }
  pool_.StartDials(now_);
  return true;
}

void ConnectionPool::Acquire::Refuse(pool::Cause cause, TimePoint now) {
  why_ = std::make_unique<pool::Refusal>(pool_.core_.Explain(cause, now));
}

void ConnectionPool::Acquire::Grant(pool::Slot& slot) noexcept {
  slot_ = &slot;
  alarm_->Disarm();
  pool_.loop_.Schedule(handle_);
}

void ConnectionPool::Acquire::Fail(const pool::Refusal& why) noexcept {
  why_ = std::make_unique<pool::Refusal>(why);
  alarm_->Disarm();
  pool_.loop_.Schedule(handle_);
}

void ConnectionPool::Acquire::Expire() {
  const TimePoint now = Clock::now();
  // What the pool looked like with this one still in it.
  Refuse(pool::Cause::kNone, now);
  why_->waited = now - now_;
  if (pool_.core_.Remove(*this, now)) pool_.loop_.Schedule(handle_);
}

ConnectionPool::Acquired ConnectionPool::Acquire::await_resume() {
  Acquired acquired;
  // The clock is read only by those who waited: the rest got theirs at once.
  acquired.at = alarm_ ? Clock::now() : now_;
  if (slot_ != nullptr) {
    if (pool_.options_.times != nullptr) pool_.options_.times->wait.Observe(acquired.at - now_);
    acquired.loan = Loan(pool_, *std::exchange(slot_, nullptr), std::move(permit_));
  } else {
    acquired.failure = AsFailure(*why_);
    acquired.why = std::move(why_);
  }
  return acquired;
}

}  // namespace perf::backends
