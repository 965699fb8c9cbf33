// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/alarm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/random.hpp"
#include "tests/backends/watchdog.hpp"

using namespace perf;
using namespace perf::backends;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000h};
constexpr Duration kTick = 8ms;
constexpr Duration kTurn = 1024 * kTick;

/// A wheel in virtual time. Its alarms belong to a loop that never runs; they are moved over.
struct Wheel {
  EventLoop loop;
  AlarmWheel wheel{kStart};
  TimePoint now = kStart;

  void Arm(Alarm& alarm, Deadline deadline) {
    alarm.Arm(deadline);
    wheel.Insert(alarm, now);
  }
  void ArmIn(Alarm& alarm, Duration length) { Arm(alarm, Deadline(now + length)); }
  /// As a loop does: turn by turn, at the instants that the wheel asks for.
  void GoTo(TimePoint at) {
    while (wheel.NextTick() <= at) {
      now = std::max(now, wheel.NextTick());
      wheel.Advance(now);
    }
    now = at;
    wheel.Advance(now);
  }
};

}  // namespace

TEST_CASE("alarm wheel: never early, in the order of the ticks, and once") {
  Wheel w;
  CHECK(w.wheel.NextTick() == TimePoint::max());
  const Duration lengths[] = {0ms, 1ns,         1ms,   7999us,      8ms, 8001us, 100ms, 999ms, 5s,
                              8s,  kTurn - 1ns, kTurn, kTurn + 1ns, 20s, 1min,   10min, 1h};
  std::deque<Alarm> alarms;
  std::vector<std::size_t> fired;
  std::size_t index = 0;
  for (const Duration length : lengths) {
    alarms.emplace_back(w.loop, [&, length, index] {
      CHECK(w.now >= kStart + length);
      CHECK(w.now <= kStart + length + kTick);
      fired.push_back(index);
    });
    w.ArmIn(alarms.back(), length);
    ++index;
  }
  w.GoTo(kStart + 2h);
  CHECK(fired.size() == std::size(lengths));
  CHECK(std::is_sorted(fired.begin(), fired.end()));
  for (const Alarm& alarm : alarms) CHECK(!alarm.Armed());
  CHECK(w.wheel.NextTick() == TimePoint::max());
}

TEST_CASE("alarm wheel: a disarmed one is not fired, a re-armed one at its new time only") {
  Wheel w;
  int first = 0;
  std::vector<TimePoint> second;
  Alarm disarmed(w.loop, [&] { ++first; });
  Alarm moved(w.loop, [&] { second.push_back(w.now); });
  w.ArmIn(disarmed, 100ms);
  w.ArmIn(moved, 100ms);
  disarmed.Disarm();
  disarmed.Disarm();
  w.ArmIn(moved, 200ms);
  w.GoTo(kStart + 50ms);
  w.Arm(moved, Deadline(kStart + 150ms));
  w.GoTo(kStart + 10s);
  CHECK(first == 0);
  REQUIRE(second.size() == 1);
  CHECK(second[0] >= kStart + 150ms);
  CHECK(second[0] <= kStart + 150ms + kTick);
}

TEST_CASE("alarm wheel: one that was idle for long takes up at the present") {
  Wheel w;
  w.now = kStart + 24h;
  bool fired = false;
  Alarm alarm(w.loop, [&] { fired = true; });
  w.ArmIn(alarm, 20ms);
  CHECK(w.wheel.NextTick() > w.now);
  w.wheel.Advance(w.now + 19ms);
  CHECK(!fired);
  w.wheel.Advance(w.now + 28ms);
  CHECK(fired);
}

TEST_CASE("alarm wheel: a late Advance fires all that is due, the past ones too") {
  Wheel w;
  int fired = 0;
  std::deque<Alarm> alarms;
  for (int i = 0; i < 3000; ++i) {
    alarms.emplace_back(w.loop, [&] { ++fired; });
    w.ArmIn(alarms.back(), i * 10ms);
  }
  w.now = kStart + 25s;
  w.wheel.Advance(w.now);
  CHECK(fired >= 2500);
  CHECK(fired <= 2501);
  Alarm past(w.loop, [&] { fired = -1; });
  w.Arm(past, Deadline(kStart + 1s));
  w.wheel.Advance(w.now + kTick);
  CHECK(fired == -1);
}

TEST_CASE("alarm wheel: callbacks may destroy, disarm and arm, themselves and others") {
  Wheel w;
  std::vector<int> log;
  std::unique_ptr<Alarm> own;
  std::unique_ptr<Alarm> neighbour;
  std::unique_ptr<Alarm> added;
  Alarm bystander(w.loop, [&] { log.push_back(9); });
  int rounds = 0;
  std::optional<Alarm> again;
  own = std::make_unique<Alarm>(w.loop, [&] {
    log.push_back(1);
    added = std::make_unique<Alarm>(w.loop, [&] { log.push_back(3); });
    w.ArmIn(*added, 0ms);  // already due: on the next tick, not now
    neighbour.reset();
    bystander.Disarm();
    own.reset();
  });
  neighbour = std::make_unique<Alarm>(w.loop, [&] { log.push_back(2); });
  again.emplace(w.loop, [&] {
    log.push_back(10 + rounds);
    if (++rounds < 3) w.ArmIn(*again, 8ms);
  });
  w.ArmIn(*own, 10ms);
  w.ArmIn(*neighbour, 10ms);
  w.ArmIn(bystander, 10ms);
  w.ArmIn(*again, 40ms);
  w.GoTo(kStart + 1s);
  CHECK(log == std::vector{1, 3, 10, 11, 12});
}

TEST_CASE("alarm wheel: Never fires only at ExpireAll, and after it everything at once") {
  Wheel w;
  std::vector<int> log;
  Alarm never(w.loop, [&] { log.push_back(1); });
  Alarm far(w.loop, [&] { log.push_back(2); });
  std::optional<Alarm> again;
  again.emplace(w.loop, [&] {
    log.push_back(3);
    if (log.size() < 10) w.Arm(*again, Deadline::Never());
  });
  w.Arm(never, Deadline::Never());
  CHECK(w.wheel.NextTick() == TimePoint::max());
  w.GoTo(kStart + 100h);
  CHECK(log.empty());
  w.ArmIn(far, 1h);
  w.ArmIn(*again, 1ms);
  w.wheel.ExpireAll();
  std::sort(log.begin(), log.end());
  CHECK(std::count(log.begin(), log.end(), 1) == 1);
  CHECK(std::count(log.begin(), log.end(), 2) == 1);
  // Each later Advance fires what was armed since, whatever its deadline and the time.
  for (int i = 0; i < 20 && w.wheel.NextTick() != TimePoint::max(); ++i) w.wheel.Advance(w.now);
  CHECK(log.size() == 10);
  CHECK(!again->Armed());
}

TEST_CASE("alarm wheel: random histories do what a naive model does") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Wheel w;
    constexpr std::size_t kAlarms = 40;
    std::vector<std::optional<TimePoint>> wanted(kAlarms);  // the model
    std::vector<std::unique_ptr<Alarm>> alarms;
    for (std::size_t i = 0; i < kAlarms; ++i) {
      alarms.push_back(std::make_unique<Alarm>(w.loop, [&, i] {
        REQUIRE(wanted[i]);
        CHECK(w.now >= *wanted[i]);
        wanted[i].reset();
        if (random.Int(0, 3) == 0) {
          wanted[i] = w.now + std::chrono::milliseconds(random.Int(0, 100));
          w.Arm(*alarms[i], Deadline(*wanted[i]));
        }
      }));
    }
    for (int step = 0; step < 200; ++step) {
      const auto i = static_cast<std::size_t>(random.Int(0, kAlarms - 1));
      const std::int64_t what = random.Int(0, 9);
      if (what < 5) {
        const std::int64_t most = random.Int(0, 4) == 0 ? 40'000'000 : 50'000;
        // One that is past already counts from now.
        wanted[i] =
            w.now + std::chrono::microseconds(std::max<std::int64_t>(0, random.Int(-1000, most)));
        w.Arm(*alarms[i], Deadline(*wanted[i]));
      } else if (what == 5) {
        wanted[i].reset();
        alarms[i]->Disarm();
      } else if (what == 6) {
        wanted[i] = TimePoint::max();
        w.Arm(*alarms[i], Deadline::Never());
      } else {
        const std::int64_t most = random.Int(0, 9) == 0 ? 20'000'000 : 20'000;
        w.now += std::chrono::microseconds(random.Int(0, most));
        w.wheel.Advance(w.now);
        CHECK(w.wheel.NextTick() > w.now);  // or the loop would spin
        for (const auto& at : wanted) {
          if (at) CHECK((w.now - *at).count() < kTick.count());
        }
      }
      TimePoint soonest = TimePoint::max();
      for (std::size_t k = 0; k < kAlarms; ++k) {
        CHECK(alarms[k]->Armed() == wanted[k].has_value());
        if (wanted[k] && *wanted[k] != TimePoint::max()) soonest = std::min(soonest, *wanted[k]);
      }
      if (soonest == TimePoint::max()) {
        CHECK(w.wheel.NextTick() == TimePoint::max());
      } else {
        CHECK(w.wheel.NextTick() <= std::max(soonest, w.now) + kTick);
      }
    }
  }
}

TEST_CASE("alarm: on a loop, never before its deadline") {
  EventLoop loop;
  test::Watchdog watchdog(loop);
  int left = 50;
  std::deque<Alarm> alarms;
  const TimePoint start = Clock::now();
  for (int i = 0; i < 50; ++i) {
    const TimePoint at = start + i * 1ms;
    alarms.emplace_back(loop, [&, at] {
      CHECK(Clock::now() >= at);
      if (--left == 0) loop.Stop();
    });
    alarms.back().Arm(Deadline(at));
  }
  loop.Run();
  CHECK(left == 0);
  CHECK(!watchdog.Bitten());
}

TEST_CASE("alarm: one that is armed for ever again ends soon after CancelAll") {
  EventLoop loop;
  test::Watchdog watchdog(loop);
  int fired = 0;
  std::optional<Alarm> alarm;
  alarm.emplace(loop, [&] {
    if (++fired == 3000) {
      loop.Stop();
    } else {
      alarm->Arm(Deadline(Clock::now() + 1h));
    }
  });
  alarm->Arm(Deadline(Clock::now() + 1h));
  loop.Post([&] { loop.CancelAll(); });
  loop.Run();
  CHECK(fired == 3000);
  CHECK(!watchdog.Bitten());
}
