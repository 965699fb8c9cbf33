// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/random.hpp"

namespace perf::pool {

/// When a Breaker opens and how it closes again. The model is resilience4j's (its defaults in
/// brackets). Ours open sooner, because a pool's target that is down should be found out by tens of
/// calls, and try again sooner, because a restart takes seconds.
struct BreakerOptions {
  enum class Window : std::uint8_t { kCalls, kTime };
  Window window = Window::kCalls;
  std::uint32_t calls = 100;                 // of kCalls, at most 500,000 [100]
  Duration span = std::chrono::seconds(10);  // of kTime, at least 10 us [100 s]
  std::uint32_t min_calls = 20;              // before a rate means anything [100]
  double failure_rate = 0.5;                 // opens at this share or more; 0: no such rule [50 %]
  Duration slow_after{};                     // calls that take longer are slow; 0: none is [60 s]
  double slow_rate = 1.0;                    // opens at this share or more [100 %]
  std::uint32_t failures = 0;                // opens at so many within `failures_within`,
  Duration failures_within = std::chrono::minutes(1);  // whatever the rate; 0: no such rule [none]
  std::uint32_t probes = 3;  // calls let through half open, at most 1,024 [10]
  Duration probe_deadline = std::chrono::seconds(10);  // then a probe has failed [never]
  Duration open_for = std::chrono::seconds(5);         // the first time in a row [60 s]
  Duration open_most = std::chrono::minutes(1);
  double open_growth = 2;    // each further time in a row; 1: none [1]
  double open_jitter = 0.2;  // plus or minus this share, less than 1 [0]
  std::uint64_t seed = 1;
};

/// Throws: ConfigError that names the option out of its range.
PERF_EXPORT void Validate(const BreakerOptions& options);

struct BreakerSnapshot;

/// A circuit breaker: opens when too many of the latest calls failed or were slow, then lets a few
/// probes through, whose outcome closes it or opens it for longer. The window is a ring of ten
/// buckets: its last tenth is forgotten at once, so it covers 90 to 100 % of what was asked for
/// (a number of calls is rounded up to a multiple of its tenth).
/// Thread safety: all methods. While closed, Allow is two loads and Record one compare-and-swap,
/// with a mutex each tenth of a window, and for a failure that has a text or may count by time.
/// No allocation after the constructor but in Snapshot and WhyOpen. Lifetime: outlives its permits.
class PERF_EXPORT Breaker {
 public:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen, kForcedOpen, kDisabled };
  /// kIgnored: says nothing about the target (a mistake of the caller's, a call never sent).
  enum class Outcome : std::uint8_t { kSuccess, kFailure, kIgnored };

  /// Leave for one call, or none. One that is never recorded has no say; a probe gives its place
  /// back. Thread safety: none.
  class PERF_EXPORT Permit {
   public:
    Permit() noexcept = default;
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit() {
      if (breaker_ != nullptr && slot_ != kNoSlot) Abandon();
    }
    explicit operator bool() const noexcept { return breaker_ != nullptr; }
    bool IsProbe() const noexcept { return slot_ != kNoSlot; }

   private:
    friend class Breaker;
    static constexpr std::uint32_t kNoSlot = ~0U;
    Permit(Breaker& breaker, std::uint64_t gate) noexcept : breaker_(&breaker), gate_(gate) {}
    void Abandon() noexcept;
    Breaker* breaker_ = nullptr;
    std::uint64_t gate_ = 0;
    std::uint32_t slot_ = kNoSlot;
    std::uint32_t serial_ = 0;
  };

  /// Throws: ConfigError, as Validate.
  explicit Breaker(const BreakerOptions& options);
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// Whether a call may be made now; false: fail at once, for the reason WhyOpen tells.
  [[nodiscard]] Permit Allow(TimePoint now) noexcept;
  /// How the call went; results of permits given before the last change of state are ignored.
  /// `why` is kept (128 bytes of it) for WhyOpen; it must hold no secrets.
  /// Returns: whether this very result opened the breaker.
  bool Record(Permit permit, Outcome outcome, Duration took, TimePoint now,
              std::string_view why = {}) noexcept;

  void ForceOpen(TimePoint now) noexcept;  // until Reset
  void Disable(TimePoint now) noexcept;    // lets all through and counts nothing, until Reset
  void Reset(TimePoint now) noexcept;      // closed, with an empty window

  /// kOpen also when its time is over and nobody has asked since.
  State Now() const noexcept { return StateOf(gate_.load(std::memory_order_acquire)); }
  BreakerSnapshot Snapshot(TimePoint now) const;
  /// One line: the rule, its figures, how long it stays open, the last failure. Empty while closed
  /// or disabled.
  std::string WhyOpen(TimePoint now) const;

 private:
  enum class Rule : std::uint8_t { kNone, kFailureRate, kSlowRate, kFailures, kProbes };
  struct Tally {
    std::uint64_t calls = 0, failed = 0, slow = 0;
  };
  struct Probe {
    std::uint32_t serial = 0;
    bool out = false;
    TimePoint deadline{};
  };
  struct Reason {
    Rule rule = Rule::kNone;
    std::uint64_t bad = 0, of = 0;
  };
  static constexpr std::size_t kBuckets = 10;
  static State StateOf(std::uint64_t gate) noexcept { return static_cast<State>(gate & 7U); }

  Permit AllowProbe(TimePoint now) noexcept;
  bool SettleProbe(const Permit& permit, bool failed, bool slow, TimePoint now,
                   std::string_view why) noexcept;
  bool Turn(std::uint64_t gate, TimePoint now) noexcept;
  void Roll(TimePoint now) noexcept;
  bool NoteFailure(std::uint64_t gate, TimePoint now, std::string_view why) noexcept;
  bool TooMany(const Tally& tally, Reason* reason) const noexcept;
  // The rest is called with mutex_ held.
  Tally InWindow() const noexcept;
  Tally SinceMade() const noexcept;
  void Fold() noexcept;
  void NextBucket() noexcept;
  void Change(State state, TimePoint now) noexcept;
  void Open(const Reason& reason, TimePoint now) noexcept;
  void ExpireProbes(TimePoint now) noexcept;
  bool DecideProbes(TimePoint now) noexcept;
  void Keep(std::string_view why) noexcept;
  std::string Explain(TimePoint now) const;

  const BreakerOptions options_;
  const std::uint32_t bucket_calls_;
  const std::size_t ring_;
  const std::uint32_t probe_failures_;  // so many of the probes open it again
  const std::uint32_t probe_slow_;

  // Read by every call, written at a change of state or of bucket.
  alignas(64) std::atomic<std::uint64_t> gate_;      // generation * 8 + state
  std::atomic<std::int64_t> not_before_{0};          // no probe before this instant
  std::atomic<std::int64_t> bucket_end_;             // kTime only
  std::array<std::atomic<std::uint64_t>, 3> sum_{};  // of the ring: calls, failed, slow
  // Written by every call: generation's 16 low bits, calls, failed, slow not yet in the ring.
  alignas(64) std::atomic<std::uint64_t> current_;
  alignas(64) std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> late_{0};

  mutable std::mutex mutex_;
  std::array<Tally, kBuckets> buckets_{};
  std::size_t head_ = 0;
  Tally total_;
  std::vector<TimePoint> failure_times_;  // a ring of options_.failures instants
  std::size_t next_failure_ = 0;
  std::vector<Probe> probes_;
  std::uint32_t probes_done_ = 0, probes_failed_ = 0, probes_slow_ = 0;
  std::uint64_t opened_ = 0, half_opened_ = 0, closed_ = 0, probes_lost_ = 0;
  unsigned in_row_ = 0;
  Duration last_open_{};
  TimePoint open_until_{}, closed_at_{};
  Reason reason_;
  std::array<char, 128> last_failure_{};
  std::size_t last_failure_size_ = 0;
  Random random_;
};

/// A breaker at one instant. Rates are 0 where the window is empty.
struct BreakerSnapshot {
  Breaker::State state = Breaker::State::kClosed;
  std::uint64_t window_calls = 0, window_failed = 0, window_slow = 0;
  double failure_rate = 0, slow_rate = 0;
  // Since the breaker was made:
  std::uint64_t calls = 0, failed = 0, slow = 0;  // recorded, without probes and late ones
  std::uint64_t rejected = 0, late = 0;
  std::uint64_t opened = 0, half_opened = 0, closed = 0, probes_lost = 0;
  unsigned opened_in_row = 0;
  Duration open_left{};  // until the first probe
  std::string why_open;
};

/// "closed", "open", "half_open", "forced_open" or "disabled".
PERF_EXPORT std::string_view Name(Breaker::State state) noexcept;

}  // namespace perf::pool
