// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/dial_plan.hpp"

#include <algorithm>

namespace perf::pool {
namespace {
// What a dial is taken to last before the first one was measured: one over a wide-area network,
// with TLS and a password exchange.
constexpr Duration kUnknownDial = std::chrono::milliseconds(80);
// Shorter patience than this is not worth a timer.
constexpr Duration kPatienceLeast = std::chrono::microseconds(200);
}  // namespace

void Backoff::Failed(const Limits& limits, TimePoint now) noexcept {
  // Dials of one burst fail together: that is one failure, not as many doublings.
  if (Failing() && now < retry_at_) return;
  const int doublings = std::min(failures_in_row_++, 16);
  const Duration full = std::min(limits.backoff_most, limits.backoff_first * (1 << doublings));
  retry_at_ = now + full / 2 + std::chrono::duration_cast<Duration>(full * (random_.Unit() / 2));
}

Duration DialPlan::Dial() const noexcept {
  return connect_time_ > Duration::zero() ? connect_time_ : kUnknownDial;
}

void DialPlan::Took(Duration dial) noexcept {
  if (dial <= Duration::zero()) return;
  connect_time_ = connect_time_ == Duration::zero() ? dial : (connect_time_ * 7 + dial) / 8;
}

/// Brings `stood_` up to date.
void DialPlan::Age(TimePoint now) noexcept {
  const Duration passed = std::max(now - aged_, Duration::zero());
  stood_ = queue_ ? stood_ + passed : std::max(stood_ - passed / 8, Duration::zero());
  aged_ = std::max(aged_, now);
}

void DialPlan::QueueChanged(bool empty, TimePoint now) noexcept {
  Age(now);
  queue_ = !empty;
  promised_ = false;
  used_ = 0;
  next_ = TimePoint::max();
}

const DialPlan::Mark& DialPlan::Latest(std::size_t back) const noexcept {
  return marks_[(used_ - 1 - std::min(back, used_ - 1)) % kMarks];
}

/// How many waiters the returns will serve within the time of a dial, going by what they did so
/// far; by no more than twice what they did lately.
double DialPlan::Covered(std::uint64_t returned, const Mark& lately, TimePoint now) const noexcept {
  const auto in_a_dial = [&](const Mark& from) {
    const Duration span = std::max<Duration>(now - from.at, Duration(1));
    return static_cast<double>(returned - from.returned) * static_cast<double>(Dial().count()) /
           static_cast<double>(span.count());
  };
  return std::min(in_a_dial(Latest(kMarks - 1)), 2 * in_a_dial(lately));
}

std::size_t DialPlan::Wanted(const View& view, const Limits& limits, TimePoint now) noexcept {
  next_ = TimePoint::max();
  if (view.waiting == 0) return 0;
  if (used_ == 0) marks_[used_++ % kMarks] = Mark{now, view.returned};
  if (view.open == 0) return view.waiting;
  const Duration patience =
      std::min(std::max(Dial() / static_cast<int>(kMarks), kPatienceLeast), limits.patience_most);
  Age(now);
  if (stood_ >= std::max(Dial(), patience)) {
    promised_ = true;
    stood_ = Duration::zero();
  }
  if (promised_) return view.waiting;
  const bool marked_lately = now < Latest(0).at + patience;
  if (marked_lately && used_ == 1) {
    next_ = Latest(0).at + patience;
    return 0;
  }
  const double covered = Covered(view.returned, Latest(marked_lately ? 1 : 0), now);
  if (!marked_lately) marks_[used_++ % kMarks] = Mark{now, view.returned};
  const std::size_t left = covered >= static_cast<double>(view.waiting)
                               ? 0
                               : view.waiting - static_cast<std::size_t>(covered);
  if (left < view.waiting) next_ = now + std::min(patience, Dial() - std::min(stood_, Dial()));
  return left;
}

}  // namespace perf::pool
