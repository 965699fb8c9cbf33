// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/loop.hpp"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "libperf/backends/asio_bridge.hpp"
#include "libperf/backends/counting_fd.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"

namespace perf::backends {
namespace asio = boost::asio;
namespace {

// A kernel timer expiry costs 20-30 µs of CPU on virtual machines, so at high rates the pacer is
// woken at most this often and finds several arrivals due.
constexpr Duration kQuantum = std::chrono::microseconds(80);
// The longest that a wake-up is asked for ahead of its instant; the rest is spun.
constexpr Duration kMaxLead = std::chrono::microseconds(60);
// Handlers of Asio that run between two looks at the clock.
constexpr std::size_t kBatch = 64;
// A loop that is kept busy by its sockets asks Asio this often for the rest: posted work, names
// that were resolved, the kernel's timer (which the clock has overtaken anyway).
constexpr Duration kAsioEvery = std::chrono::microseconds(100);

// See EventLoop::PollAfterYield.
constexpr int kMostYieldCredit = 64;
constexpr unsigned kYieldRetry = 64;
constexpr Duration kLostSlice = std::chrono::microseconds(500);

struct Sleeper {
  TimePoint at;
  std::uint64_t order;
  std::coroutine_handle<> handle;
  friend bool operator<(const Sleeper& a, const Sleeper& b) noexcept {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }
};

}  // namespace

struct EventLoop::Parts {
  Parts()
      : timer(poller, ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
              "timerfd_create", [this] { OnExpiry(); }),
        wake(poller, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd", [this] { TakePosted(); }),
        wheel(Clock::now()) {}

  Poller poller;
  CountingFd timer;
  CountingFd wake;  // for what other threads posted
  Guarded<std::vector<std::function<void()>>> posted;
  AlarmWheel wheel;
  std::priority_queue<Sleeper> sleepers;
  std::uint64_t order = 0;
  std::function<TimePoint(TimePoint)> on_wake;
  TimePoint pacer_at = TimePoint::max();
  TimePoint timer_at = TimePoint::max();  // what the timerfd is set to
  TimePoint last_expiry{};
  std::vector<std::coroutine_handle<>> ready;
  std::vector<std::coroutine_handle<>> resuming;
  std::vector<std::function<void()>> soon;
  std::vector<std::function<void()>> calling;
  TimePoint asked_asio{};
  std::size_t live = 0;
  std::exception_ptr failure;
  bool cancelled = false;
  bool stopped = false;
  Duration lead{};         // how late the kernel usually wakes us: it is asked that much earlier
  TimePoint programmed{};  // the instant that the last expiry was asked for
  Duration spent_spinning{};
  int yield_credit = kMostYieldCredit / 2;
  unsigned yields_skipped = 0;
  TimePoint started = Clock::now();
  std::optional<AsioBridge> asio;  // last: Asio's objects may hold handlers that hold anything

  TimePoint NextInstant() {
    const TimePoint tick = wheel.NextTick();
    // After CancelAll nothing is waited for, whatever its instant.
    if (cancelled && (!sleepers.empty() || tick != TimePoint::max())) return TimePoint::min();
    TimePoint next = std::min(pacer_at, tick);
    if (!sleepers.empty()) next = std::min(next, sleepers.top().at);
    return next;
  }
  bool Idle() const noexcept { return ready.empty() && soon.empty(); }
  void Program(TimePoint now);
  void OnExpiry();
  void TakePosted();
};

void EventLoop::Parts::OnExpiry() {
  const TimePoint now = Clock::now();
  timer_at = TimePoint::max();
  last_expiry = now;
  // A median by stochastic approximation: outliers (a machine that stood still) move it no more
  // than any other sample does.
  const Duration late = now - programmed;
  lead = std::clamp(lead + std::chrono::nanoseconds(late > lead ? 400 : -400), Duration::zero(),
                    kMaxLead);
}

/// Sets the timerfd for the next instant unless it already stands early enough: a needless
/// wake-up is cheaper than setting the timer twice.
void EventLoop::Parts::Program(TimePoint now) {
  const TimePoint next = NextInstant();
  if (next == TimePoint::max() || next >= timer_at) return;
  const TimePoint wanted = std::max(next, last_expiry + kQuantum);
  timer_at = programmed = std::max(wanted - lead, now + std::chrono::microseconds(1));
  const auto since = timer_at.time_since_epoch().count();
  itimerspec spec{};
  spec.it_value.tv_sec = since / 1'000'000'000;
  spec.it_value.tv_nsec = since % 1'000'000'000;
  ::timerfd_settime(timer.Get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void EventLoop::Parts::TakePosted() {
  std::vector<std::function<void()>> taken;
  {
    auto waiting = posted.Lock();
    taken.swap(*waiting);
  }
  for (auto& work : taken) soon.push_back(std::move(work));
}

EventLoop::EventLoop() : parts_(std::make_unique<Parts>()) {}

EventLoop::~EventLoop() = default;

Poller& EventLoop::Sockets() noexcept { return parts_->poller; }

asio::io_context& EventLoop::Context() {
  if (!parts_->asio) parts_->asio.emplace(parts_->poller);
  return parts_->asio->context;
}

void EventLoop::Post(std::function<void()> work) {
  {
    auto waiting = parts_->posted.Lock();
    waiting->push_back(std::move(work));
    if (waiting->size() > 1) return;  // whoever came first has woken the loop
  }
  const std::uint64_t one = 1;
  // Fails only where the counter is full, and then the loop will wake anyway.
  [[maybe_unused]] const auto written = ::write(parts_->wake.Get(), &one, sizeof one);
}

void EventLoop::Run() {
  Parts& parts = *parts_;
  parts.stopped = parts.failure != nullptr;  // a task may have thrown inside of Spawn
  parts.started = Clock::now();
  bool busy = false;
  while (!parts.stopped) {
    Turn();
    if (parts.stopped) break;
    const TimePoint now = Clock::now();
    std::size_t handled = 0;
    if (!parts.Idle() || SpinWorthwhile(now)) {
      handled = parts.poller.Poll(Duration::zero());
    } else {
      if (busy) handled = PollAfterYield(now);
      if (handled == 0) {
        parts.Program(now);
        handled = Wait(std::chrono::hours(1));
      }
    }
    if (parts.asio && now - parts.asked_asio >= kAsioEvery) handled += PollAsio();
    busy = handled > 0;
  }
  if (parts.failure) std::rethrow_exception(std::exchange(parts.failure, nullptr));
}

std::size_t EventLoop::PollAsio() {
  std::size_t handled = 0;
  while (handled < kBatch && parts_->asio->context.poll_one() > 0) ++handled;
  parts_->asked_asio = Clock::now();
  return handled;
}

/// Sleeps until something happens.
std::size_t EventLoop::Wait(Duration longest) {
  if (!parts_->asio) return parts_->poller.Poll(longest);
  const std::size_t handled = parts_->asio->context.run_one_for(longest);
  return handled + PollAsio();
}

/// Falling asleep and being woken costs ten times a yield on virtual machines. Where servers share
/// the processors with us, they get to answer while we yield, and we go on without having slept.
/// Where they do not, or where somebody else takes the whole slice, it is tried only now and then.
/// A paced loop never yields: it might not have the processor back at the next instant.
std::size_t EventLoop::PollAfterYield(TimePoint now) {
  Parts& parts = *parts_;
  if (parts.pacer_at != TimePoint::max()) return 0;
  if (parts.yield_credit == 0 && ++parts.yields_skipped % kYieldRetry != 0) return 0;
  // Only where nothing is ready.
  const std::size_t ready = parts.asio ? PollAsio() : parts.poller.Poll(Duration::zero());
  if (ready > 0) return ready;
  ::sched_yield();
  const bool lost_slice = Clock::now() - now > kLostSlice;
  const std::size_t handled = parts.asio ? PollAsio() : parts.poller.Poll(Duration::zero());
  const int change = lost_slice ? -kMostYieldCredit / 4 : handled > 0 ? 1 : -1;
  parts.yield_credit = std::clamp(parts.yield_credit + change, 0, kMostYieldCredit);
  return handled;
}

bool EventLoop::Drain(Deadline deadline) {
  while (parts_->live > 0 && !deadline.Passed(Clock::now())) {
    Turn();
    Wait(std::chrono::milliseconds(parts_->Idle() ? 5 : 0));
  }
  return parts_->live == 0;
}

/// Whether the next instant is so near that blocking would miss it. Spinning is bounded to a
/// twenty-fifth of the time: at high rates the quantum paces instead.
bool EventLoop::SpinWorthwhile(TimePoint now) noexcept {
  Parts& parts = *parts_;
  const TimePoint next = parts.NextInstant();
  if (next == TimePoint::max()) return false;
  if (next <= now) return true;
  if (next - now > parts.lead + std::chrono::microseconds(4)) return false;
  if (parts.spent_spinning * 25 > now - parts.started) return false;
  parts.spent_spinning += std::min(next - now, Duration(std::chrono::microseconds(1)));
  return true;
}

void EventLoop::Turn() {
  Parts& parts = *parts_;
  parts.resuming.swap(parts.ready);
  for (const auto handle : parts.resuming) handle.resume();
  parts.resuming.clear();
  parts.calling.swap(parts.soon);
  for (const auto& work : parts.calling) work();
  parts.calling.clear();
  const TimePoint now = Clock::now();
  if (parts.pacer_at <= now) {
    parts.pacer_at = TimePoint::max();
    const TimePoint next = parts.on_wake(now);
    parts.pacer_at = std::min(parts.pacer_at, next);  // on_wake may have called WakePacerAt
  }
  while (!parts.sleepers.empty() && (parts.cancelled || parts.sleepers.top().at <= now)) {
    const auto handle = parts.sleepers.top().handle;
    parts.sleepers.pop();
    handle.resume();
  }
  if (parts.wheel.NextTick() <= now || parts.cancelled) parts.wheel.Advance(now);
}

void EventLoop::Schedule(std::coroutine_handle<> handle) { parts_->ready.push_back(handle); }

void EventLoop::Soon(std::function<void()> work) { parts_->soon.push_back(std::move(work)); }

void EventLoop::Spawn(Task<void> task) {
  ++parts_->live;
  Detach(Guard(std::move(task)));
}

Task<void> EventLoop::Guard(Task<void> task) {
  try {
    co_await std::move(task);
  } catch (...) {
    if (!parts_->failure) parts_->failure = std::current_exception();
    parts_->stopped = true;
  }
  --parts_->live;
}

std::size_t EventLoop::Live() const noexcept { return parts_->live; }

void EventLoop::Stop() {
  Post([this] { parts_->stopped = true; });
}

void EventLoop::SetPacer(TimePoint first, std::function<TimePoint(TimePoint)> on_wake) {
  parts_->on_wake = std::move(on_wake);
  parts_->pacer_at = first;
}

void EventLoop::WakePacerAt(TimePoint at) { parts_->pacer_at = std::min(parts_->pacer_at, at); }

bool EventLoop::Sleep::await_ready() const noexcept { return loop.Cancelled(); }

void EventLoop::Sleep::await_suspend(std::coroutine_handle<> handle) const {
  loop.parts_->sleepers.push(Sleeper{at, loop.parts_->order++, handle});
}

void EventLoop::CancelAll() {
  parts_->cancelled = true;
  parts_->wheel.ExpireAll();
}

bool EventLoop::Cancelled() const noexcept { return parts_->cancelled; }

Alarm::Alarm(EventLoop& loop, std::function<void()> on_expire)
    : loop_(loop), on_expire_(std::move(on_expire)) {}

Alarm::~Alarm() { Disarm(); }

void Alarm::Arm(Deadline deadline) {
  deadline_ = deadline;
  AlarmWheel& wheel = loop_.parts_->wheel;
  // Only an idle wheel has to be told the time.
  wheel.Insert(*this, wheel.NextTick() == TimePoint::max() ? Clock::now() : TimePoint{});
}

}  // namespace perf::backends
