// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <source_location>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/pool/dial_plan.hpp"
#include "libperf/pool/fork_guard.hpp"
#include "libperf/pool/lifetimes.hpp"
#include "libperf/pool/limits.hpp"
#include "libperf/pool/refusal.hpp"
#include "libperf/pool/resource.hpp"
#include "libperf/pool/slot_table.hpp"
#include "libperf/pool/waiter.hpp"

namespace perf::pool {

class Deliveries;

/// A bounded pool's decisions, without I/O and without a clock: who gets what, when to dial, who
/// must go. A front (backends::ConnectionPool, pool::BlockingPool) adds dials, timers and waiting.
///
/// Order of reuse: with kOneThread the newest idle one first, so that a burst's surplus grows old
/// and goes; with kThreads the one that the calling thread took last, then the first idle one in
/// the order of slots, so that the high slots grow old. Waiters: see Fairness.
///
/// `now` is exact, but for TryTake and ReturnQuickly, where it may lag by some milliseconds.
/// Thread safety: kThreads: all methods. kOneThread: only Now, Totals and Holders from others.
/// While nobody waits and nothing is wrong, TryTake and Return take no lock and make no system
/// call. Waiters and resources are called and destroyed without a lock. Lifetime: outlives its
/// waiters, the slots it lent and all calls. In a forked child every acquire fails with kForked,
/// and no resource is ever touched.
class PERF_EXPORT Core {
 public:
  using Where = std::source_location;
  Core(Limits limits, std::uint64_t seed, Sharing sharing = Sharing::kOneThread,
       std::string name = {});
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// An idle resource, or null; never past a waiter. One that lay idle for validate_after or
  /// longer is looked at first.
  Slot* TryTake(TimePoint now, Where where = Where::current());
  /// Whether somebody waits whom TryBarge may overtake.
  bool MayBarge() const noexcept {
    return bounded_ && (word_.load(std::memory_order_relaxed) & 1) != 0;
  }
  /// kBounded: an idle resource past waiters, as far as that is allowed.
  Slot* TryBarge(TimePoint now, Where where = Where::current());
  /// Waits in the queue, or says at once why not: kDown, kPaused, kClosed, kQueueFull, kForked. May
  /// grant before it returns. The front then starts what StartDial gives.
  Cause Enqueue(Waiter& waiter, TimePoint now, Where where = Where::current());
  /// For a waiter that parks and was woken without a delivery: tries to take what came free;
  /// whether it is done now.
  bool TryQueued(Waiter& waiter, TimePoint now);
  /// Leaves the queue. False: it was given something, or is being so: then Grant or Fail was called
  /// or will be at once, and it passes on by Return what it no longer wants.
  bool Remove(Waiter& waiter, TimePoint now) noexcept;
  /// Takes a resource back: to the oldest waiter, to the idle, or to its end when it is broken, too
  /// old or of an old epoch. Then StartDial may have more.
  void Return(Slot& slot, TimePoint now);
  /// Return of what a waiter was given and no longer wants.
  void Forward(Slot& slot, TimePoint now);
  enum class Quickly : std::uint8_t { kDone, kAttend, kNotYet };
  /// Return for hot paths that do not read the exact time: kAttend: call Attend; kNotYet: call
  /// Return; kDone: it was enough. TimePoint{} (kThreads): not known at all; then the next Reap
  /// says since when it is idle.
  Quickly ReturnQuickly(Slot& slot, TimePoint now);
  /// Gives what lies idle to those who wait.
  void Attend(TimePoint now);

  /// Why an acquire would fail at once, kNone if it would not.
  Cause Refuses(TimePoint now) const;
  /// What the pool looks like now to somebody who got nothing; `waited` is the caller's to fill in.
  /// With kNone it finds out which of kHeld, kConnecting, kPaused and kDown it was.
  Refusal Explain(Cause cause, TimePoint now) const;

  /// A place for a dial to start now, or null; ends in Dialled or DialFailed. Fails who waits for
  /// a probe of a target that is down when it takes longer than kProbePatience.
  Slot* StartDial(TimePoint now);
  void Dialled(Slot& slot, std::unique_ptr<Resource> resource, TimePoint now);
  void DialFailed(Slot& slot, const std::string& why, TimePoint now);
  /// Takes one in that was dialled outside of the plan, as idle. False: there was no room for it.
  /// `took`: how long its dial took, 0 where that is not known.
  bool Adopt(std::unique_ptr<Resource> resource, TimePoint now, Duration took = {});
  /// When a dial may be tried again after a failure.
  TimePoint RetryAt() const;
  /// When StartDial may have more although nothing happens; TimePoint::max() when it will not.
  TimePoint NextDecision(TimePoint now) const;
  static constexpr Duration kProbePatience = std::chrono::milliseconds(4);

  /// Destroys what was idle for too long, down to `min`, and what is past its lifetime; finds
  /// leaks. To be called at NextUpkeep.
  void Reap(TimePoint now);
  /// In a second, or sooner where the limits ask for it, or where an idle one's lifetime ends.
  TimePoint NextUpkeep(TimePoint now) const;
  /// An idle one that is due for a ping, now kBusy until it is returned; null if there is none.
  Slot* TakeForPing(TimePoint now);
  /// A borrowed one is kBusy from now, until the front has cleaned it up and returns it.
  void MarkBusy(Slot& slot) noexcept;
  /// Borrowers for longer than `than`, oldest first.
  std::vector<Holder> Holders(TimePoint now, Duration than) const;
  /// Leaks found by Reap since the last call, at most 64 of them; Statistics counts all.
  std::vector<Holder> TakeLeaks();

  /// Every resource of now belongs to an old epoch and goes: idle at once, borrowed at its return,
  /// dials under way when they arrive.
  void Invalidate(TimePoint now);
  /// Destroys all idle ones.
  void CloseIdle() noexcept;
  /// `max` below what is open: idle ones go at once, borrowed ones at their return.
  void Resize(std::size_t min, std::size_t max, TimePoint now);
  /// Lends nothing until Resume; acquires wait, or fail with kPaused if `refuse`.
  void Pause(bool refuse, TimePoint now);
  void Resume(TimePoint now);
  /// For good: waiters fail with kClosed, idle ones go at once, borrowed ones at their return.
  void Close(TimePoint now);
  bool Closed() const noexcept;
  bool Paused() const noexcept;
  bool InForkedChild() const noexcept { return process_.Forked(); }
  /// Called back once, without a lock, when nothing is lent or busy; after Pause or Close.
  class QuietWatch {
   public:
    virtual ~QuietWatch() = default;
    virtual void Quiet() noexcept = 0;

   private:
    friend class Core;
    friend class Deliveries;
    QuietWatch* next_ = nullptr;
  };
  /// True: it is quiet already. Otherwise `watch` is called, unless StopWatching returns true.
  bool WatchQuiet(QuietWatch& watch);
  bool StopWatching(QuietWatch& watch) noexcept;

  Counts Now() const noexcept;
  Statistics Totals() const;
  Limits Bounds() const;
  const std::string& Name() const noexcept { return name_; }

 private:
  friend class BlockingLoan;
  friend class BlockingPool;
  struct Hidden;
  class Section;
  bool Shared() const noexcept { return sharing_ == Sharing::kThreads; }
  bool SetFlags(std::uint64_t flags, std::uint64_t values) noexcept;
  Slot* TakeShared(TimePoint now, Where where);
  Slot* BargeShared(TimePoint now, Where where);
  Quickly ReturnShared(Slot& slot);
  Quickly SweepLater(std::uint64_t changed) noexcept;
  Slot* TakeIdle(TimePoint now, Where where, std::uint64_t word);
  Slot* Pick() noexcept;
  bool Fit(Slot& slot, TimePoint now);
  void Lend(Slot& slot, TimePoint now, Where where) noexcept;
  void Stamp(Slot& slot, TimePoint now) noexcept;
  std::uint64_t PutIdle(Slot& slot) noexcept;
  void MakeIdle(Slot& slot, TimePoint now);
  bool ClaimForPool(Slot& slot) noexcept;
  void Bury(Slot& slot, std::uint64_t Statistics::* why);
  bool TakeExcess();
  void ReapAged(TimePoint now);
  void ReapIdle(TimePoint now, Duration timeout, std::size_t keep);
  void LeaveIdle(Slot& slot, TimePoint now);
  void FindLeaks(TimePoint now, Duration after);
  void Sweep(TimePoint now);
  bool Hand(Slot& slot, TimePoint now);
  void Settle(Deliveries& out, TimePoint now);
  // The rest is called with the mutex held.
  void Arrange(TimePoint now, bool look, Deliveries& out);
  bool Direct(Waiter& head, TimePoint now) noexcept;
  void Deliver(Waiter& waiter, Slot& slot, TimePoint now, Deliveries& out) noexcept;
  void FailAll(Cause cause, TimePoint now, Deliveries& out) noexcept;
  void Unlink(Waiter& waiter, TimePoint now) noexcept;
  void GiveIdle(TimePoint now, bool look, Deliveries& out);
  void OpenChanged() noexcept;
  void CheckQuiet(Deliveries& out) noexcept;
  bool NothingLent() const noexcept;
  Cause RefusesNow(TimePoint now) const noexcept;
  bool KnownDown(TimePoint now) const noexcept;
  std::uint64_t Returned() const noexcept;
  std::size_t DialsWanted(TimePoint now);
  TimePoint PlanDeath(TimePoint now);
  Duration UpkeepPeriod() const;

  // Read by every acquire and return, seldom written: flags in the low 16 bits, the epoch above.
  alignas(64) std::atomic<std::uint64_t> word_{0};
  const Sharing sharing_;
  const bool bounded_;
  const bool light_returns_;
  const std::uint64_t id_;
  ForkGuard process_;
  const Duration validate_after_;
  SlotTable table_;
  std::unique_ptr<Hidden> hidden_;  // what only slow paths need
  std::string name_;
  // kOneThread only:
  IdleList idle_;
  std::atomic<std::size_t> in_use_{0};  // and busy
  std::atomic<std::size_t> most_in_use_{0};
};

}  // namespace perf::pool
