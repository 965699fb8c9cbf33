// SPDX-License-Identifier: Apache-2.0
// What people ask of a breaker: is it well set up, how is it, why is it open, hold it.
#include <fmt/format.h>

#include <iterator>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "libperf/pool/breaker.hpp"

namespace perf::pool {
namespace {

constexpr std::uint32_t kMostCalls = 500'000;
constexpr std::uint32_t kMostFailures = 10'000;
constexpr std::uint32_t kMostProbes = 1'024;

void Require(bool good, const char* what) {
  if (!good) throw ConfigError(fmt::format("circuit breaker: {}", what));
}

double Share(std::uint64_t part, std::uint64_t whole) noexcept {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void Validate(const BreakerOptions& o) {
  const Duration zero{};
  Require(o.calls >= 1 && o.calls <= kMostCalls, "calls must be 1 to 500000");
  Require(o.span >= std::chrono::microseconds(10), "span must be at least 10us");
  Require(o.min_calls >= 1, "min_calls must be at least 1");
  Require(o.window == BreakerOptions::Window::kTime || o.min_calls <= o.calls,
          "min_calls must not exceed calls: no rate would ever count");
  Require(o.failure_rate >= 0 && o.failure_rate <= 1, "failure_rate must be 0 to 1");
  Require(o.slow_after >= zero, "slow_after must not be negative");
  Require(o.slow_rate > 0 && o.slow_rate <= 1, "slow_rate must be above 0, at most 1");
  Require(o.failures <= kMostFailures, "failures must be at most 10000");
  Require(o.failures_within > zero, "failures_within must be positive");
  Require(o.probes >= 1 && o.probes <= kMostProbes, "probes must be 1 to 1024");
  Require(o.probe_deadline > zero, "probe_deadline must be positive");
  Require(o.open_for > zero && o.open_most >= o.open_for,
          "open_for must be positive and at most open_most");
  Require(o.open_growth >= 1 && o.open_growth <= 100, "open_growth must be 1 to 100");
  Require(o.open_jitter >= 0 && o.open_jitter < 1, "open_jitter must be 0 to less than 1");
}

void Breaker::ForceOpen(TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  if (Now() != State::kForcedOpen) Change(State::kForcedOpen, now);
}

void Breaker::Disable(TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  if (Now() != State::kDisabled) Change(State::kDisabled, now);
}

void Breaker::Reset(TimePoint now) noexcept {
  const std::lock_guard lock(mutex_);
  in_row_ = 0;
  Change(State::kClosed, now);
}

BreakerSnapshot Breaker::Snapshot(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  BreakerSnapshot snapshot;
  const Tally window = InWindow();
  const Tally total = SinceMade();
  snapshot.state = Now();
  snapshot.window_calls = window.calls;
  snapshot.window_failed = window.failed;
  snapshot.window_slow = window.slow;
  snapshot.failure_rate = Share(window.failed, window.calls);
  snapshot.slow_rate = Share(window.slow, window.calls);
  snapshot.calls = total.calls;
  snapshot.failed = total.failed;
  snapshot.slow = total.slow;
  snapshot.rejected = rejected_.load(std::memory_order_relaxed);
  snapshot.late = late_.load(std::memory_order_relaxed);
  snapshot.opened = opened_;
  snapshot.half_opened = half_opened_;
  snapshot.closed = closed_;
  snapshot.probes_lost = probes_lost_;
  snapshot.opened_in_row = in_row_;
  if (snapshot.state == State::kOpen && now < open_until_) snapshot.open_left = open_until_ - now;
  snapshot.why_open = Explain(now);
  return snapshot;
}

std::string Breaker::WhyOpen(TimePoint now) const {
  const std::lock_guard lock(mutex_);
  return Explain(now);
}

std::string Breaker::Explain(TimePoint now) const {
  const State state = Now();
  if (state == State::kForcedOpen) return "circuit breaker is forced open";
  if (state != State::kOpen && state != State::kHalfOpen) return {};
  std::string text = fmt::format("circuit breaker is {}: ", Name(state));
  const auto out = std::back_inserter(text);
  const double percent = 100 * Share(reason_.bad, reason_.of);
  switch (reason_.rule) {
    case Rule::kNone: break;
    case Rule::kFailureRate:
      fmt::format_to(out, "{} of {} calls failed ({:.1f} %, limit {:.1f} %)", reason_.bad,
                     reason_.of, percent, 100 * options_.failure_rate);
      break;
    case Rule::kSlowRate:
      fmt::format_to(out, "{} of {} calls took longer than {} ({:.1f} %, limit {:.1f} %)",
                     reason_.bad, reason_.of, FormatDuration(options_.slow_after), percent,
                     100 * options_.slow_rate);
      break;
    case Rule::kFailures:
      fmt::format_to(out, "{} calls failed within {}", reason_.bad,
                     FormatDuration(options_.failures_within));
      break;
    case Rule::kProbes:
      fmt::format_to(out, "{} of {} probes failed or were slow", reason_.bad, reason_.of);
      break;
  }
  if (state == State::kHalfOpen) {
    fmt::format_to(out, "; {} of {} probes have reported", probes_done_, options_.probes);
  } else if (now < open_until_) {
    fmt::format_to(out, "; next probe in {}", FormatDuration(open_until_ - now));
  } else {
    fmt::format_to(out, "; the next call is a probe");
  }
  if (in_row_ > 1) fmt::format_to(out, "; opened {} times in a row", in_row_);
  if (last_failure_size_ > 0) {
    fmt::format_to(out, "; last failure: {}",
                   std::string_view(last_failure_.data(), last_failure_size_));
  }
  return text;
}

std::string_view Name(Breaker::State state) noexcept {
  switch (state) {
    case Breaker::State::kClosed: return "closed";
    case Breaker::State::kOpen: return "open";
    case Breaker::State::kHalfOpen: return "half_open";
    case Breaker::State::kForcedOpen: return "forced_open";
    case Breaker::State::kDisabled: return "disabled";
  }
  return "unknown";
}

}  // namespace perf::pool
