// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/connection_pool.hpp"

#include <fmt/format.h>

namespace perf::backends {

Loan& Loan::operator=(Loan&& other) noexcept {
  if (this != &other) {
    Return();
    pool_ = other.pool_;
    connection_ = std::move(other.connection_);
  }
  return *this;
}

void Loan::Return() noexcept {
  if (connection_) pool_->TakeBack(std::move(connection_));
}

ConnectionPool::ConnectionPool(EventLoop& loop, Options options, Dial dial)
    : loop_(loop),
      options_(std::move(options)),
      dial_(std::move(dial)),
      core_(options_.limits, options_.seed) {}

void ConnectionPool::TakeBack(std::unique_ptr<pool::Resource> connection) noexcept {
  const TimePoint now = Clock::now();
  const bool lost = !connection->Reusable();
  core_.Return(std::move(connection), now);
  if (lost) StartDials(now);
}

void ConnectionPool::StartDials(TimePoint now) {
  if (loop_.Cancelled()) return;
  for (std::size_t count = core_.DialsToStart(now); count > 0; --count) loop_.Spawn(DialOne());
  // Whoever still waits behind a failed dial is served by the next one.
  if (core_.Now().waiting > 0 && core_.RetryAt() > now && !retry_planned_) {
    retry_planned_ = true;
    loop_.Spawn(RetryLater());
  }
}

Task<void> ConnectionPool::RetryLater() {
  co_await loop_.SleepUntil(core_.RetryAt());
  retry_planned_ = false;
  StartDials(Clock::now());
}

Task<void> ConnectionPool::DialOne() {
  const Deadline deadline = Deadline::After(Clock::now(), options_.connect_timeout);
  Dialled<Connection> dialled = co_await dial_(deadline);
  Settle(std::move(dialled));
}

void ConnectionPool::Settle(Dialled<Connection> dialled) {
  const TimePoint now = Clock::now();
  if (dialled.connection) {
    core_.Dialled(std::move(dialled.connection), now);
  } else {
    core_.DialFailed(dialled.failure.text, now);
  }
  StartDials(now);
}

Task<Failure> ConnectionPool::Probe(Deadline deadline) {
  Dialled<Connection> dialled = co_await dial_(deadline);
  Failure failure = dialled.failure;
  if (dialled.connection) core_.Adopt(std::move(dialled.connection), Clock::now());
  co_return failure;
}

ConnectionPool::Acquire::~Acquire() {
  pool_.core_.Remove(*this);
  // Given something, but never resumed: it passes it on.
  if (resource_) pool_.TakeBack(std::move(resource_));
}

bool ConnectionPool::Acquire::await_ready() {
  resource_ = pool_.core_.TryTake(now_);
  if (resource_) return true;
  if (pool_.loop_.Cancelled()) {
    failure_ = Failure{ErrorKind::kTimeout, "the run has ended"};
    return true;
  }
  if (const std::string* why = pool_.core_.Down(now_)) {
    failure_ = Failure{ErrorKind::kConnect, *why};
    return true;
  }
  return false;
}

void ConnectionPool::Acquire::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  pool_.core_.Enqueue(*this);
  alarm_.emplace(pool_.loop_, [this] { Expire(); });
  alarm_->Arm(Deadline::After(now_, pool_.options_.acquire_timeout));
  pool_.StartDials(now_);
}

void ConnectionPool::Acquire::Grant(std::unique_ptr<pool::Resource> resource) noexcept {
  resource_ = std::move(resource);
  alarm_->Disarm();
  pool_.loop_.Schedule(handle_);
}

void ConnectionPool::Acquire::Fail(const std::string& why) noexcept {
  failure_ = Failure{ErrorKind::kConnect, why};
  alarm_->Disarm();
  pool_.loop_.Schedule(handle_);
}

void ConnectionPool::Acquire::Expire() {
  const pool::Counts counts = pool_.core_.Now();
  pool_.core_.Remove(*this);
  failure_ =
      Failure{ErrorKind::kTimeout,
              fmt::format("no connection of pool {} came free within {} ms (in use {}, idle "
                          "{}, dialling {}, waiting {}, max {})",
                          pool_.options_.name, ToMs(pool_.options_.acquire_timeout), counts.in_use,
                          counts.idle, counts.dialling, counts.waiting, pool_.options_.limits.max)};
  pool_.loop_.Schedule(handle_);
}

ConnectionPool::Acquired ConnectionPool::Acquire::await_resume() noexcept {
  // The clock is read only by those who waited: the rest got theirs at once.
  const TimePoint at = alarm_ ? Clock::now() : now_;
  return Acquired{resource_ ? Loan(pool_, std::move(resource_)) : Loan(), std::move(failure_), at};
}

}  // namespace perf::backends
