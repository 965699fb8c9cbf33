// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "libperf/pool/core.hpp"
#include "libperf/pool/parker.hpp"

namespace perf::pool {

// The core's word.
inline constexpr std::uint64_t kWaiting =
    1;  // (Core::MayBarge knows it) somebody waits: no acquire takes without a look
inline constexpr std::uint64_t kAttention = 2;  // a return must look at the queue
inline constexpr std::uint64_t kPaused = 4;
inline constexpr std::uint64_t kRefusing = 8;  // while paused
inline constexpr std::uint64_t kClosed = 16;
inline constexpr std::uint64_t kExcess = 32;  // more are open than max
inline constexpr std::uint64_t kEpoch = 1 << 16;
inline constexpr std::uint64_t kEpochMask = ~(kEpoch - 1);
inline constexpr std::uint64_t kNoTake = kWaiting | kPaused | kClosed;
/// A return whose slot's epoch equals the word under this mask has nothing to care for.
inline constexpr std::uint64_t kReturnMask = kAttention | kPaused | kClosed | kExcess | kEpochMask;

/// What was decided with the mutex held, and is told to those concerned without it.
class Deliveries {
 public:
  void Add(Waiter& waiter) noexcept;  // its status is set
  void Wake(Parker& parker);
  void Add(Core::QuietWatch& watch) noexcept;
  /// Tells them. `core` explains to those who failed.
  void Tell(const Core& core, TimePoint now) noexcept;
  Slot* to_check = nullptr;  // claimed for the oldest waiter, and to be looked at first

 private:
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  Core::QuietWatch* watches_ = nullptr;
  std::array<Parker*, 8> parkers_;  // not linked: a thread may be gone before it is woken
  std::size_t parkers_used_ = 0;
  std::vector<Parker*> more_parkers_;
};

struct Core::Hidden {
  Hidden(const Limits& the_limits, std::uint64_t seed)
      : limits(the_limits), backoff(seed), lifetimes(seed) {}
  mutable std::mutex mutex;
  Limits limits;
  WaiterQueue queue;
  std::atomic<std::size_t> open{0};  // slots that are not empty
  std::atomic<std::size_t> dialling{0};
  std::size_t dying = 0;         // of `open`: beyond max, and on their way out
  std::atomic<bool> room{true};  // open < max
  std::atomic<bool> sweep_due{false};
  DialPlan plan;
  Backoff backoff;
  Lifetimes lifetimes;
  bool probing = false;  // the dial under way is the one probe of a target that is down
  TimePoint probe_since{};
  std::string last_error;
  Statistics totals;
  QuietWatch* watches = nullptr;
  std::vector<Holder> leaks;
  TimePoint peak_turn{};  // adaptive: the peak of the last half minute and the one before
  std::size_t peak_now = 0;
  std::size_t peak_before = 0;
  // kBounded: until when the oldest waiter may be overtaken freely, and how often after that.
  alignas(64) std::atomic<TimePoint::rep> head_due{TimePoint::max().time_since_epoch().count()};
  std::atomic<int> overtakes_left{kOvertakesMost};
};

/// Holds the mutex where there is more than one thread. In a forked child it may be locked for
/// ever, so there it is left alone.
class Core::Section {
 public:
  explicit Section(const Core& core) {
    if (core.Shared() && !core.process_.Forked()) {
      lock_ = std::unique_lock(core.hidden_->mutex);
    }
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace perf::pool
