// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/quick_clock.hpp"

#ifdef __x86_64__
#include <cpuid.h>
#include <x86intrin.h>
#endif

#include <cstdint>

namespace perf {

#ifdef __x86_64__
namespace {

/// What a thread extrapolates from.
struct Base {
  std::uint64_t ticks;
  std::uint64_t valid_for;  // ticks; 0: every call asks the kernel
  std::uint64_t scale;      // nanoseconds a tick, times 2^32
  std::int64_t at;          // nanoseconds
};
__attribute__((tls_model("initial-exec"))) constinit thread_local Base base{};

/// The first pair of clock and counter, against which the counter's rate is measured.
struct Origin {
  Origin() noexcept : at(Clock::now()), ticks(__rdtsc()) {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
  }
  TimePoint at;
  std::uint64_t ticks;
  bool invariant = false;
};

__attribute__((noinline)) TimePoint Renew() noexcept {
  static const Origin origin;
  constexpr Duration kLongEnough = std::chrono::milliseconds(10);  // for a rate to some ppm
  const TimePoint now = Clock::now();
  const std::uint64_t ticks = __rdtsc();
  const Duration passed = now - origin.at;
  const double rate =
      static_cast<double>(passed.count()) / static_cast<double>(ticks - origin.ticks);
  base.ticks = ticks;
  base.at = now.time_since_epoch().count();
  base.valid_for = 0;
  // A counter that is slower than the clock's nanoseconds by a thousand, or faster, is none.
  if (origin.invariant && passed >= kLongEnough && rate > 0.1 && rate < 1000) {
    base.scale = static_cast<std::uint64_t>(rate * 4294967296.0);
    base.valid_for = static_cast<std::uint64_t>(1e6 / rate);
  }
  return now;
}

}  // namespace

TimePoint QuickNow() noexcept {
  const std::uint64_t passed = __rdtsc() - base.ticks;
  if (passed >= base.valid_for) return Renew();
  return TimePoint(Duration(base.at + static_cast<std::int64_t>((passed * base.scale) >> 32)));
}
#else
TimePoint QuickNow() noexcept { return Clock::now(); }
#endif

}  // namespace perf
