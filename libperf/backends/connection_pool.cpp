// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/connection_pool.hpp"

#include <algorithm>

#include "libperf/backends/connection_pool_state.hpp"
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

PoolRef::PoolRef(PoolState& state) noexcept : state_(&state) { ++state.refs_; }

void PoolRef::Drop() noexcept {
  PoolState* const state = std::exchange(state_, nullptr);
  if (--state->refs_ == 0) delete state;
}

Loan& Loan::operator=(Loan&& other) noexcept {
  if (this != &other) {
    Return();
    pool_ = std::move(other.pool_);
    slot_ = std::exchange(other.slot_, nullptr);
    failed_ = other.failed_;
    permit_ = std::move(other.permit_);
  }
  return *this;
}

void Loan::Return() noexcept {
  if (slot_ == nullptr) return;
  pool_->TakeBack(*std::exchange(slot_, nullptr), permit_, failed_);
  // Its breaker may be the pool's last.
  permit_ = {};
  const PoolRef done = std::move(pool_);
}

PoolState::PoolState(EventLoop& the_loop, ConnectionPool::Options the_options,
                     ConnectionPool::Dial the_dial)
    : loop(the_loop),
      options(std::move(the_options)),
      dial(std::move(the_dial)),
      core(options.limits, options.seed, pool::Sharing::kOneThread, options.name),
      upkeep_(loop, [this] { Upkeep(); }) {}

void PoolState::Leave() {
  left_ = true;
  upkeep_.Disarm();
  core.Close(Clock::now());
}

ConnectionPool::ConnectionPool(EventLoop& loop, Options options, Dial dial)
    : state_(*new PoolState(loop, std::move(options), std::move(dial))) {}

ConnectionPool::~ConnectionPool() { state_->Leave(); }

void ConnectionPool::Prefill() { state_->StartDials(Clock::now()); }
void ConnectionPool::CloseIdle() noexcept { state_->core.CloseIdle(); }
const pool::Core& ConnectionPool::Core() const noexcept { return state_->core; }
const ConnectionPool::Options& ConnectionPool::Settings() const noexcept { return state_->options; }

void PoolState::TakeBack(pool::Slot& slot, pool::Breaker::Permit& permit, bool failed) noexcept {
  if (permit || options.times != nullptr) {
    const TimePoint now = Clock::now();
    const Duration used = now - slot.BorrowedAt();
    if (options.times != nullptr) options.times->use.Observe(used);
    failed = failed || !slot.Get().Reusable();
    if (permit) {
      options.breaker->Record(
          std::move(permit),
          failed ? pool::Breaker::Outcome::kFailure : pool::Breaker::Outcome::kSuccess, used, now);
    }
  }
  if (options.reset && slot.Get().NeedsReset() && slot.Get().Reusable() && !loop.Cancelled() &&
      !left_) {
    core.MarkBusy(slot);
    CareLater(slot, options.reset);
    return;
  }
  GiveBack(slot);
}

void PoolState::GiveBack(pool::Slot& slot) noexcept {
  using Quickly = pool::Core::Quickly;
  const Quickly quickly = core.ReturnQuickly(slot, pool::CoarseNow());
  if (quickly == Quickly::kDone) return;
  const TimePoint now = Clock::now();
  quickly == Quickly::kAttend ? core.Attend(now) : core.Return(slot, now);
  StartDials(now);
}

void PoolState::CareLater(pool::Slot& slot, const ConnectionPool::Care& care) {
  loop.Spawn(CareFor(PoolRef(*this), slot, care));
}

Task<void> PoolState::CareFor(PoolRef self, pool::Slot& slot, const ConnectionPool::Care& care) {
  const Deadline deadline = Deadline::After(Clock::now(), self->options.care_timeout);
  bool fit = false;
  try {
    fit = co_await care(slot.As<Connection>(), deadline);
  } catch (...) {
    // The place must not be lost with the connection.
    Log(LogLevel::kWarn, "pool {}: a reset or ping threw: {}", self->options.name, ThrownText());
  }
  if (!fit) slot.MarkBroken();
  self->GiveBack(slot);
}

void PoolState::StartDials(TimePoint now) {
  if (loop.Cancelled() || left_) return;
  if (!upkeep_.Armed()) upkeep_.Arm(Deadline(core.NextUpkeep(now)));
  while (pool::Slot* slot = core.StartDial(now)) loop.Spawn(DialOne(PoolRef(*this), *slot));
  PlanDecision(now);
}

/// Asks the core again when it wants to be asked.
void PoolState::PlanDecision(TimePoint now) {
  const TimePoint at = core.NextDecision(now);
  // Without waiters there is no hurry: the next upkeep is soon enough.
  if (at >= planned_ || core.Now().waiting == 0) return;
  planned_ = at;
  loop.Spawn(DecideAt(PoolRef(*this), at));
}

Task<void> PoolState::DecideAt(PoolRef self, TimePoint at) {
  co_await self->loop.SleepUntil(at);
  if (self->planned_ == at) self->planned_ = TimePoint::max();
  self->StartDials(Clock::now());
}

Task<void> PoolState::DialOne(PoolRef self, pool::Slot& slot) {
  const TimePoint began = Clock::now();
  Dialled<Connection> dialled;
  try {
    dialled = co_await self->dial(Deadline::After(began, self->options.connect_timeout));
  } catch (...) {
    dialled.connection.reset();
    dialled.failure = {ErrorKind::kConnect, ThrownText()};
  }
  const TimePoint now = Clock::now();
  if (dialled.connection) {
    if (self->options.times != nullptr) self->options.times->create.Observe(now - began);
    self->core.Dialled(slot, std::move(dialled.connection), now);
  } else {
    self->core.DialFailed(slot, dialled.failure.text, now);
  }
  self->StartDials(now);
}

Task<Failure> ConnectionPool::Probe(Deadline deadline) {
  const PoolRef state(*state_);  // who waits may outlive the pool
  const TimePoint began = Clock::now();
  Dialled<Connection> dialled = co_await state->dial(deadline);
  Failure failure = dialled.failure;
  const TimePoint now = Clock::now();
  if (dialled.connection) {
    if (state->options.times != nullptr) state->options.times->create.Observe(now - began);
    state->core.Adopt(std::move(dialled.connection), now, now - began);
  }
  co_return failure;
}

void PoolState::Reap(TimePoint now) {
  core.Reap(now);
  while (!loop.Cancelled()) {
    pool::Slot* slot = core.TakeForPing(now);
    if (slot == nullptr) break;
    if (options.ping) {
      CareLater(*slot, options.ping);
    } else {
      if (!slot->Get().Alive()) slot->MarkBroken();
      core.Return(*slot, now);
    }
  }
  if (options.on_leak) {
    for (const pool::Holder& leak : core.TakeLeaks()) options.on_leak(leak);
  }
  StartDials(now);
}

void PoolState::Upkeep() {
  if (loop.Cancelled()) return;
  const PoolRef self(*this);  // whoever hears of a leak may drop the pool
  const TimePoint now = Clock::now();
  Reap(now);
  if (!core.Closed() && !left_) upkeep_.Arm(Deadline(core.NextUpkeep(now)));
}

void ConnectionPool::Reap(TimePoint now) { state_->Reap(now); }

void ConnectionPool::Invalidate() {
  const TimePoint now = Clock::now();
  state_->core.Invalidate(now);
  state_->StartDials(now);
}

void ConnectionPool::Resize(std::size_t min, std::size_t max) {
  const TimePoint now = Clock::now();
  state_->core.Resize(min, max, now);
  state_->StartDials(now);
}

class PoolState::QuietWait final : public pool::Core::QuietWatch {
 public:
  QuietWait(PoolState& pool, Deadline deadline)
      : pool_(pool), deadline_(deadline), alarm_(pool.loop, [this] { Expire(); }) {}
  ~QuietWait() override { pool_->core.StopWatching(*this); }
  bool await_ready() {
    quiet_ = pool_->core.WatchQuiet(*this);
    return quiet_ || pool_->loop.Cancelled();
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
    pool_->loop.Schedule(handle_);
  }
  void Expire() {
    if (pool_->core.StopWatching(*this)) pool_->loop.Schedule(handle_);
  }
  PoolRef pool_;
  Deadline deadline_;
  Alarm alarm_;
  std::coroutine_handle<> handle_;
  bool quiet_ = false;
};

Task<bool> ConnectionPool::Pause(Deadline deadline, bool refuse) {
  state_->core.Pause(refuse, Clock::now());
  PoolState::QuietWait wait(*state_, deadline);
  const bool quiet = co_await wait;
  co_return quiet;
}

void ConnectionPool::Resume() {
  const TimePoint now = Clock::now();
  state_->core.Resume(now);
  state_->StartDials(now);
}

Task<bool> ConnectionPool::Drain(Deadline deadline) {
  state_->core.Close(Clock::now());
  PoolState::QuietWait wait(*state_, deadline);
  const bool quiet = co_await wait;
  co_return quiet;
}

ConnectionPool::Acquire::~Acquire() {
  if (State() == Status::kWaiting) pool_->core.Remove(*this, Clock::now());
  if (slot_ != nullptr) {
    // Given something, but never resumed: it passes it on.
    const TimePoint now = Clock::now();
    pool_->core.Forward(*slot_, now);
    pool_->StartDials(now);
  }
}

bool ConnectionPool::Acquire::await_ready() {
  if (pool_->options.breaker != nullptr) {
    permit_ = pool_->options.breaker->Allow(now_);
    if (!permit_) {
      Refuse(pool::Cause::kBreakerOpen, now_);
      why_->connect_error = pool_->options.breaker->WhyOpen(now_);
      return true;
    }
  }
  slot_ = pool_->core.TryTake(now_, where_);
  return slot_ != nullptr;
}

bool ConnectionPool::Acquire::await_suspend(std::coroutine_handle<> handle) {
  if (pool_->loop.Cancelled()) {
    Refuse(pool::Cause::kClosed, now_);
    return false;
  }
  handle_ = handle;
  alarm_.emplace(pool_->loop, [this] { Expire(); });
  const pool::Cause cause = pool_->core.Enqueue(*this, now_, where_);
  if (cause != pool::Cause::kNone) {
    alarm_.reset();
    Refuse(cause, now_);
    return false;
  }
  if (State() == Status::kWaiting) {
    alarm_->Arm(Sooner(until_, Deadline::After(now_, pool_->options.acquire_timeout)));
  }
  pool_->StartDials(now_);
  return true;
}

void ConnectionPool::Acquire::Refuse(pool::Cause cause, TimePoint now) {
  why_ = std::make_unique<pool::Refusal>(pool_->core.Explain(cause, now));
}

void ConnectionPool::Acquire::Grant(pool::Slot& slot) noexcept {
  slot_ = &slot;
  alarm_->Disarm();
  pool_->loop.Schedule(handle_);
}

void ConnectionPool::Acquire::Fail(const pool::Refusal& why) noexcept {
  why_ = std::make_unique<pool::Refusal>(why);
  alarm_->Disarm();
  pool_->loop.Schedule(handle_);
}

void ConnectionPool::Acquire::Expire() {
  const TimePoint now = Clock::now();
  // What the pool looked like with this one still in it.
  Refuse(pool::Cause::kNone, now);
  why_->waited = now - now_;
  if (pool_->core.Remove(*this, now)) pool_->loop.Schedule(handle_);
}

ConnectionPool::Acquired ConnectionPool::Acquire::await_resume() {
  Acquired acquired;
  // The clock is read only by those who waited: the rest got theirs at once.
  acquired.at = alarm_ ? Clock::now() : now_;
  if (slot_ != nullptr) {
    if (pool_->options.times != nullptr) pool_->options.times->wait.Observe(acquired.at - now_);
    acquired.loan = Loan(*pool_, *std::exchange(slot_, nullptr), std::move(permit_));
  } else {
    acquired.failure = AsFailure(*why_);
    acquired.why = std::move(why_);
  }
  return acquired;
}

}  // namespace perf::backends
