// SPDX-License-Identifier: Apache-2.0
#include "libperf/base/clock.hpp"

#include <doctest/doctest.h>

namespace perf {

using namespace std::chrono_literals;

TEST_CASE("clock: deadlines do not overflow and never lie before their start") {
  const TimePoint now(1h);
  CHECK(Deadline::After(now, 5s).At() == now + 5s);
  CHECK(Deadline::After(now, -5s).At() == now);
  CHECK(Deadline::After(now, Duration::max()).IsNever());
  CHECK(Saturated(TimePoint::max() - 1ns, 1ns) == TimePoint::max());
  CHECK(Saturated(TimePoint::max() - 1ns, 2ns) == TimePoint::max());
}

TEST_CASE("clock: what remains is never negative") {
  const Deadline deadline(TimePoint(10s));
  CHECK(deadline.Remaining(TimePoint(4s)) == 6s);
  CHECK(deadline.Remaining(TimePoint(11s)) == 0s);
  CHECK_FALSE(deadline.Passed(TimePoint(9s)));
  CHECK(deadline.Passed(TimePoint(10s)));
  CHECK_FALSE(Deadline::Never().Passed(TimePoint(100h)));
  CHECK(Sooner(deadline, Deadline::Never()) == deadline);
  CHECK(Sooner(Deadline::Never(), deadline) == deadline);
  CHECK(ToMs(1500us) == 1.5);
}

}  // namespace perf
