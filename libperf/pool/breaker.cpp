// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/breaker.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace perf::pool {
namespace {

constexpr std::uint64_t kEpochMask = 0xffff;
constexpr std::uint64_t kOneCall = 1ULL << 16;
constexpr std::uint64_t kOneFailed = 1ULL << 32;
constexpr std::uint64_t kOneSlow = 1ULL << 48;
// A time bucket is folded into the ring before its 16 bits are full; so many threads may be
// between seeing that and holding the mutex as are left to 65,535.
constexpr std::uint64_t kFoldAt = 50'000;
constexpr double kRounding = 1e-9;  // 0.1 * 30 is more than 3

std::uint64_t Calls(std::uint64_t word) noexcept { return (word >> 16) & 0xffff; }
std::uint64_t Failed(std::uint64_t word) noexcept { return (word >> 32) & 0xffff; }
std::uint64_t Slow(std::uint64_t word) noexcept { return word >> 48; }
std::uint64_t EpochOf(std::uint64_t gate) noexcept { return (gate >> 3) & kEpochMask; }
std::int64_t Ticks(TimePoint at) noexcept {
  return std::chrono::duration_cast<Duration>(at.time_since_epoch()).count();
}

std::uint32_t CeilDiv(std::uint32_t a, std::uint32_t b) noexcept { return (a + b - 1) / b; }

/// So many of `count` reach `rate`; at least one.
std::uint32_t Needed(double rate, std::uint32_t count) noexcept {
  return std::max(1U, static_cast<std::uint32_t>(std::ceil(rate * count - kRounding)));
}

}  // namespace

Breaker::Permit::Permit(Permit&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)),
      gate_(other.gate_),
      slot_(std::exchange(other.slot_, kNoSlot)),
      serial_(other.serial_) {}

Breaker::Permit& Breaker::Permit::operator=(Permit&& other) noexcept {
  if (this == &other) return *this;
  if (breaker_ != nullptr && slot_ != kNoSlot) Abandon();
  breaker_ = std::exchange(other.breaker_, nullptr);
  gate_ = other.gate_;
  slot_ = std::exchange(other.slot_, kNoSlot);
  serial_ = other.serial_;
  return *this;
}

void Breaker::Permit::Abandon() noexcept {
  const std::lock_guard lock(breaker_->mutex_);
  if (breaker_->gate_.load(std::memory_order_relaxed) != gate_) return;
  Probe& probe = breaker_->probes_[slot_];
  if (!probe.out || probe.serial != serial_) return;
  probe.out = false;
  breaker_->not_before_.store(Ticks(TimePoint::min()), std::memory_order_relaxed);
}

Breaker::Breaker(const BreakerOptions& options)
    : options_((Validate(options), options)),
      bucket_calls_(CeilDiv(options.calls, kBuckets)),
      ring_(options.window == BreakerOptions::Window::kTime
                ? kBuckets
                : CeilDiv(options.calls, bucket_calls_)),
      probe_failures_(options.failure_rate > 0 ? Needed(options.failure_rate, options.probes) : 1),
      probe_slow_(options.slow_after > Duration::zero() ? Needed(options.slow_rate, options.probes)
                                                        : options.probes + 1),
      gate_(static_cast<std::uint64_t>(State::kClosed)),
      bucket_end_(Ticks(TimePoint::min())),
      current_(0),
      failure_times_(options.failures, TimePoint::min()),
      probes_(options.probes),
      closed_at_(TimePoint::min()),
      random_(options.seed) {}

Breaker::Permit Breaker::Allow(TimePoint now) noexcept {
  const std::uint64_t gate = gate_.load(std::memory_order_acquire);
  switch (StateOf(gate)) {
    case State::kClosed:
    case State::kDisabled: return Permit(*this, gate);
    case State::kForcedOpen: break;
    case State::kOpen:
    case State::kHalfOpen:
      // Without the mutex where no probe can be free, so that a storm of refused callers is cheap.
      if (Ticks(now) < not_before_.load(std::memory_order_relaxed)) break;
      return AllowProbe(now);
  }
  rejected_.fetch_add(1, std::memory_order_relaxed);
  return Permit();
}

Breaker::Permit Breaker::AllowProbe(TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  if (Now() == State::kOpen && now >= open_until_) {
    Change(State::kHalfOpen, now);
    ++half_opened_;
  }
  if (Now() == State::kHalfOpen) ExpireProbes(now);
  const std::uint64_t gate = gate_.load(std::memory_order_relaxed);
  if (StateOf(gate) == State::kClosed || StateOf(gate) == State::kDisabled) {
    return Permit(*this, gate);
  }
  if (StateOf(gate) == State::kHalfOpen) {
    const auto out = static_cast<std::uint32_t>(
        std::count_if(probes_.begin(), probes_.end(), [](const Probe& p) { return p.out; }));
    if (out + probes_done_ < options_.probes) {
      const auto slot =
          std::find_if(probes_.begin(), probes_.end(), [](const Probe& p) { return !p.out; });
      slot->out = true;
      slot->deadline = Saturated(now, options_.probe_deadline);
      Permit permit(*this, gate);
      permit.slot_ = static_cast<std::uint32_t>(slot - probes_.begin());
      permit.serial_ = ++slot->serial;
      return permit;
    }
    TimePoint first = TimePoint::max();
    for (const Probe& probe : probes_) {
      if (probe.out) first = std::min(first, probe.deadline);
    }
    not_before_.store(Ticks(first), std::memory_order_relaxed);
  }
  rejected_.fetch_add(1, std::memory_order_relaxed);
  return Permit();
}

bool Breaker::Record(Permit permit, Outcome outcome, Duration took, TimePoint now,
                     std::string_view why) noexcept {
  // The permit's destructor gives an ignored probe's place back.
  if (permit.breaker_ != this || outcome == Outcome::kIgnored) return false;
  const bool failed = outcome == Outcome::kFailure;
  const bool slow = options_.slow_after > Duration::zero() && took > options_.slow_after;
  if (permit.IsProbe()) return SettleProbe(permit, failed, slow, now, why);

  const std::uint64_t gate = gate_.load(std::memory_order_acquire);
  if (StateOf(gate) == State::kDisabled) return false;
  if (options_.window == BreakerOptions::Window::kTime &&
      Ticks(now) >= bucket_end_.load(std::memory_order_relaxed)) {
    Roll(now);
  }
  const std::uint64_t more = kOneCall + (failed ? kOneFailed : 0) + (slow ? kOneSlow : 0);
  std::uint64_t word = current_.load(std::memory_order_relaxed);
  do {
    // The word's epoch changes with the state: whether this call belongs to the window is decided
    // by the very exchange that counts it.
    if (gate != permit.gate_ || (word & kEpochMask) != EpochOf(gate)) {
      late_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
  } while (!current_.compare_exchange_weak(word, word + more, std::memory_order_acq_rel,
                                           std::memory_order_relaxed));
  word += more;
  if (failed && (options_.failures > 0 || !why.empty()) && NoteFailure(gate, now, why)) return true;
  const Tally tally{sum_[0].load(std::memory_order_relaxed) + Calls(word),
                    sum_[1].load(std::memory_order_relaxed) + Failed(word),
                    sum_[2].load(std::memory_order_relaxed) + Slow(word)};
  const bool full =
      Calls(word) >= (options_.window == BreakerOptions::Window::kCalls ? bucket_calls_ : kFoldAt);
  return (full || TooMany(tally, nullptr)) && Turn(gate, now);
}

/// What one recorder saw without the mutex is looked at again with it.
bool Breaker::Turn(std::uint64_t gate, TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  if (gate_.load(std::memory_order_relaxed) != gate) return false;
  Reason reason;
  if (TooMany(InWindow(), &reason)) {
    Open(reason, now);
    return true;
  }
  const std::uint64_t unfolded = Calls(current_.load(std::memory_order_relaxed));
  if (options_.window == BreakerOptions::Window::kTime) {
    if (unfolded >= kFoldAt) Fold();
  } else if (unfolded >= bucket_calls_) {
    Fold();
    NextBucket();
  }
  return false;
}

void Breaker::Roll(TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  const std::int64_t length = std::max<std::int64_t>(1, options_.span.count() / kBuckets);
  const std::int64_t end = bucket_end_.load(std::memory_order_relaxed);
  if (Ticks(now) < end) return;
  Fold();
  const bool first = end == Ticks(TimePoint::min());
  const std::int64_t steps = first ? 0 : (Ticks(now) - end) / length + 1;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(steps, kBuckets); ++i) NextBucket();
  bucket_end_.store(first ? Ticks(now) + length : end + steps * length, std::memory_order_relaxed);
}

bool Breaker::NoteFailure(std::uint64_t gate, TimePoint now, std::string_view why) noexcept {
  const std::lock_guard lock(mutex_);
  if (gate_.load(std::memory_order_relaxed) != gate) return false;
  Keep(why);
  if (options_.failures == 0) return false;
  failure_times_[next_failure_] = now;
  next_failure_ = (next_failure_ + 1) % failure_times_.size();
  const TimePoint oldest = failure_times_[next_failure_];  // of the latest `failures`
  if (oldest == TimePoint::min() || now - oldest > options_.failures_within) return false;
  Open(Reason{Rule::kFailures, options_.failures, 0}, now);
  return true;
}

bool Breaker::TooMany(const Tally& tally, Reason* reason) const noexcept {
  if (tally.calls < options_.min_calls) return false;
  const auto over = [&](std::uint64_t bad, double rate) {
    return bad > 0 && rate > 0 &&
           static_cast<double>(bad) + kRounding >= rate * static_cast<double>(tally.calls);
  };
  const bool failing = over(tally.failed, options_.failure_rate);
  if (!failing && !over(tally.slow, options_.slow_rate)) return false;
  if (reason != nullptr) {
    *reason = Reason{failing ? Rule::kFailureRate : Rule::kSlowRate,
                     failing ? tally.failed : tally.slow, tally.calls};
  }
  return true;
}

bool Breaker::SettleProbe(const Permit& permit, bool failed, bool slow, TimePoint now,
                          std::string_view why) noexcept {
  const std::lock_guard lock(mutex_);
  const bool current = gate_.load(std::memory_order_relaxed) == permit.gate_;
  // First the clock: whoever reports after its deadline has failed already, also when nobody asked
  // between.
  const bool opened = current && [&] {
    ExpireProbes(now);
    return Now() == State::kOpen;
  }();
  Probe& probe = probes_[permit.slot_];
  if (!current || opened || Now() != State::kHalfOpen || !probe.out ||
      probe.serial != permit.serial_) {
    late_.fetch_add(1, std::memory_order_relaxed);
    return opened;
  }
  probe.out = false;
  ++probes_done_;
  if (failed) {
    ++probes_failed_;
    Keep(why);
  }
  if (slow) ++probes_slow_;
  return DecideProbes(now);
}

void Breaker::ExpireProbes(TimePoint now) noexcept {
  bool any = false;
  for (Probe& probe : probes_) {
    if (!probe.out || now < probe.deadline) continue;
    probe.out = false;
    ++probes_done_;
    ++probes_failed_;
    ++probes_lost_;
    any = true;
  }
  if (!any) return;
  Keep("a probe did not report before its deadline");
  DecideProbes(now);
}

/// Decides as soon as the probes still out cannot change it.
bool Breaker::DecideProbes(TimePoint now) noexcept {
  if (probes_failed_ >= probe_failures_ || probes_slow_ >= probe_slow_) {
    const bool failing = probes_failed_ >= probe_failures_;
    Open(Reason{Rule::kProbes, failing ? probes_failed_ : probes_slow_, probes_done_}, now);
    return true;
  }
  const std::uint32_t left = options_.probes - probes_done_;
  if (probes_failed_ + left < probe_failures_ && probes_slow_ + left < probe_slow_) {
    Change(State::kClosed, now);
    ++closed_;
  }
  return false;
}

void Breaker::Open(const Reason& reason, TimePoint now) noexcept {
  // The growth is forgotten only once it was closed for as long as it had been open before.
  if (Now() == State::kClosed &&
      (closed_at_ == TimePoint::min() || now - closed_at_ >= last_open_)) {
    in_row_ = 0;
  }
  const double grown = std::min(static_cast<double>(options_.open_most.count()),
                                static_cast<double>(options_.open_for.count()) *
                                    std::pow(options_.open_growth, std::min(in_row_, 64U)));
  const double jitter = 1 + options_.open_jitter * (2 * random_.Unit() - 1);
  last_open_ = Duration(static_cast<std::int64_t>(grown * jitter));
  ++in_row_;
  ++opened_;
  reason_ = reason;
  open_until_ = Saturated(now, last_open_);
  Change(State::kOpen, now);
}

void Breaker::Change(State state, TimePoint now) noexcept {
  const std::uint64_t generation = (gate_.load(std::memory_order_relaxed) >> 3) + 1;
  const std::uint64_t gate = (generation << 3) | static_cast<std::uint64_t>(state);
  const std::uint64_t word = current_.exchange(EpochOf(gate), std::memory_order_acq_rel);
  total_.calls += Calls(word);
  total_.failed += Failed(word);
  total_.slow += Slow(word);
  buckets_.fill(Tally{});
  head_ = 0;
  for (auto& sum : sum_) sum.store(0, std::memory_order_relaxed);
  bucket_end_.store(Ticks(TimePoint::min()), std::memory_order_relaxed);
  std::fill(failure_times_.begin(), failure_times_.end(), TimePoint::min());
  for (Probe& probe : probes_) probe.out = false;
  probes_done_ = probes_failed_ = probes_slow_ = 0;
  if (state == State::kClosed) closed_at_ = now;
  not_before_.store(Ticks(state == State::kOpen ? open_until_ : TimePoint::min()),
                    std::memory_order_relaxed);
  gate_.store(gate, std::memory_order_release);
}

Breaker::Tally Breaker::InWindow() const noexcept {
  const std::uint64_t word = current_.load(std::memory_order_relaxed);
  return Tally{sum_[0].load(std::memory_order_relaxed) + Calls(word),
               sum_[1].load(std::memory_order_relaxed) + Failed(word),
               sum_[2].load(std::memory_order_relaxed) + Slow(word)};
}

Breaker::Tally Breaker::SinceMade() const noexcept {
  const std::uint64_t word = current_.load(std::memory_order_relaxed);
  return Tally{total_.calls + Calls(word), total_.failed + Failed(word), total_.slow + Slow(word)};
}

void Breaker::Fold() noexcept {
  const std::uint64_t epoch = current_.load(std::memory_order_relaxed) & kEpochMask;
  const std::uint64_t word = current_.exchange(epoch, std::memory_order_acq_rel);
  Tally& head = buckets_[head_];
  const std::array<std::uint64_t, 3> more{Calls(word), Failed(word), Slow(word)};
  const std::array<std::uint64_t*, 3> bucket{&head.calls, &head.failed, &head.slow};
  const std::array<std::uint64_t*, 3> total{&total_.calls, &total_.failed, &total_.slow};
  for (std::size_t i = 0; i < more.size(); ++i) {
    *bucket[i] += more[i];
    *total[i] += more[i];
    sum_[i].store(sum_[i].load(std::memory_order_relaxed) + more[i], std::memory_order_relaxed);
  }
}

void Breaker::NextBucket() noexcept {
  head_ = (head_ + 1) % ring_;
  const Tally gone = std::exchange(buckets_[head_], Tally{});
  const std::array<std::uint64_t, 3> less{gone.calls, gone.failed, gone.slow};
  for (std::size_t i = 0; i < less.size(); ++i) {
    sum_[i].store(sum_[i].load(std::memory_order_relaxed) - less[i], std::memory_order_relaxed);
  }
}

void Breaker::Keep(std::string_view why) noexcept {
  if (why.empty()) return;
  // Not inside of a UTF-8 sequence.
  std::size_t size = std::min(why.size(), last_failure_.size());
  while (size < why.size() && size > 0 &&
         (static_cast<unsigned char>(why[size]) & 0xc0U) == 0x80U) {
    --size;
  }
  std::copy_n(why.begin(), size, last_failure_.begin());
  last_failure_size_ = size;
}

}  // namespace perf::pool
