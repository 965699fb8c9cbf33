// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/life_cycle.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/base/random.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

Deadline In(Duration length) { return Deadline::After(Clock::now(), length); }

/// What happened, in its order: "+a" and "-a".
class Diary {
 public:
  void Note(const std::string& what) {
    auto lines = lines_.Lock();
    lines->push_back(what);
  }
  std::vector<std::string> Lines() {
    auto lines = lines_.Lock();
    return *lines;
  }
  std::ptrdiff_t At(const std::string& what) {
    const auto lines = Lines();
    const auto found = std::find(lines.begin(), lines.end(), what);
    return found == lines.end() ? -1 : found - lines.begin();
  }

 private:
  Guarded<std::vector<std::string>> lines_;
};

Component Plain(Diary& diary, std::string name, std::vector<std::string> needs = {}) {
  Component component;
  component.name = name;
  component.needs = std::move(needs);
  component.start = [&diary, name](Deadline) { diary.Note("+" + name); };
  component.stop = [&diary, name](Deadline) { diary.Note("-" + name); };
  return component;
}

std::string StartError(LifeCycle& cycle, Deadline deadline = In(20s)) {
  try {
    cycle.Start(deadline);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("life cycle: starts in the order of needs and stops in reverse") {
  Diary diary;
  LifeCycle cycle;
  cycle.Add(Plain(diary, "front", {"history", "alerts"}));
  cycle.Add(Plain(diary, "alerts", {"history"}));
  cycle.Add(Plain(diary, "history"));
  CHECK(cycle.Check("front", Clock::now()).status == HealthStatus::kOutOfService);
  cycle.Start(In(20s));
  CHECK(cycle.Now() == LifeCycle::State::kUp);
  CHECK(cycle.Check("front", Clock::now()).status == HealthStatus::kUp);
  CHECK_THROWS_WITH_AS(cycle.Add(Plain(diary, "late")), "component 'late' comes after the start",
                       Error);
  CHECK(cycle.Stop(In(20s)).Clean());
  CHECK(cycle.Now() == LifeCycle::State::kStopped);
  CHECK(diary.Lines() ==
        std::vector<std::string>{"+history", "+alerts", "+front", "-front", "-alerts", "-history"});
  CHECK(cycle.Stop(In(1s)).Clean());  // again: nothing
  CHECK(diary.Lines().size() == 6);
}

TEST_CASE("life cycle: what is free starts in parallel") {
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  LifeCycle cycle;
  for (const char* name : {"a", "b", "c"}) {
    Component component;
    component.name = name;
    // Each waits for the other two: in a row none would ever start.
    component.start = [&](Deadline deadline) {
      std::unique_lock lock(mutex);
      ++inside;
      changed.notify_all();
      if (!changed.wait_until(lock, deadline.At(), [&] { return inside == 3; })) {
        throw std::runtime_error("alone");
      }
    };
    cycle.Add(std::move(component));
  }
  CHECK(StartError(cycle) == "");
}

TEST_CASE("life cycle: a failed start says which and why, and what had started is stopped") {
  Diary diary;
  LifeCycle cycle;
  cycle.Add(Plain(diary, "base"));
  cycle.Add(Plain(diary, "middle", {"base"}));
  Component bad;
  bad.name = "bad";
  bad.needs = {"middle"};
  bad.start = [](Deadline) { throw IoError("cannot reach postgres://u:geheim@db/x"); };
  bad.stop = [&](Deadline) { diary.Note("-bad"); };
  cycle.Add(std::move(bad));
  cycle.Add(Plain(diary, "never", {"bad"}));
  const std::string error = StartError(cycle);
  CHECK(error ==
        "component 'bad' failed to start: cannot reach postgres://u:***@db/x; stopped again: base, "
        "middle");
  // What failed may have left half of itself behind.
  CHECK(diary.Lines() == std::vector<std::string>{"+base", "+middle", "-bad", "-middle", "-base"});
  CHECK(cycle.Now() == LifeCycle::State::kStopped);
  CHECK(cycle.Check("bad", Clock::now()).status == HealthStatus::kDown);
}

TEST_CASE("life cycle: a circle and an unknown need start nothing") {
  Diary diary;
  LifeCycle circle;
  circle.Add(Plain(diary, "a", {"b"}));
  circle.Add(Plain(diary, "b", {"a"}));
  circle.Add(Plain(diary, "free"));
  CHECK(StartError(circle) == "components need one another in a circle: 'a' needs 'b' needs 'a'");
  LifeCycle unknown;
  unknown.Add(Plain(diary, "a", {"x"}));
  CHECK(StartError(unknown) == "component 'a' needs 'x', which there is not");
  CHECK(diary.Lines().empty());
}

TEST_CASE("life cycle: started is not enough, it has to be well before its deadline") {
  Diary diary;
  {
    std::atomic<int> asked{0};
    LifeCycle cycle;
    Component slow = Plain(diary, "slow");
    slow.check = [&](TimePoint) {
      return ComponentHealth{++asked < 3 ? HealthStatus::kDown : HealthStatus::kUp, "warming"};
    };
    cycle.Add(std::move(slow));
    CHECK(StartError(cycle) == "");
    CHECK(asked == 3);
  }
  LifeCycle cycle;
  Component ill = Plain(diary, "ill");
  ill.check = [](TimePoint) { return ComponentHealth{HealthStatus::kDown, "no disk"}; };
  ill.start_within = 30ms;
  cycle.Add(std::move(ill));
  CHECK(StartError(cycle) == "component 'ill' failed to start: started, but is DOWN: no disk");
  CHECK(diary.Lines().back() == "-ill");
}

TEST_CASE("life cycle: a start that does not heed its deadline is told, and undone when it ends") {
  Diary diary;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  {
    LifeCycle cycle;
    cycle.Add(Plain(diary, "base"));
    Component stuck;
    stuck.name = "stuck";
    stuck.needs = {"base"};
    stuck.start_within = 20ms;
    stuck.start = [&](Deadline) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return open; });
      diary.Note("+stuck");
    };
    stuck.stop = [&](Deadline) { diary.Note("-stuck"); };
    cycle.Add(std::move(stuck));
    CHECK(StartError(cycle) ==
          "component 'stuck' failed to start: not up when its time of 20ms was over; stopped "
          "again: base");
    CHECK(cycle.Stuck() == std::vector<std::string>{"stuck"});
    CHECK(diary.Lines() == std::vector<std::string>{"+base", "-base"});
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  CHECK(diary.Lines() == std::vector<std::string>{"+base", "-base", "+stuck", "-stuck"});
}

TEST_CASE("life cycle: a stop that throws or takes too long is told and holds nobody up") {
  Diary diary;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  LifeCycle cycle;
  cycle.Add(Plain(diary, "base"));
  Component slow = Plain(diary, "slow", {"base"});
  slow.stop_within = 20ms;
  slow.stop = [&](Deadline) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return open; });
  };
  cycle.Add(std::move(slow));
  Component bad = Plain(diary, "bad", {"base"});
  bad.stop = [](Deadline) { throw std::runtime_error("it broke"); };
  cycle.Add(std::move(bad));
  cycle.Start(In(20s));
  const StopReport report = cycle.Stop(In(20s));
  CHECK(report.late == std::vector<std::string>{"slow"});
  CHECK(report.failed == std::vector<std::string>{"bad: it broke"});
  CHECK(diary.Lines().back() == "-base");
  CHECK(cycle.Stuck() == std::vector<std::string>{"slow"});
  const std::lock_guard lock(mutex);
  open = true;
  changed.notify_all();
}

TEST_CASE("life cycle: random graphs with failures keep the order and leave nothing running") {
  Random random(6);
  for (int round = 0; round < 60; ++round) {
    Diary diary;
    LifeCycle cycle;
    const auto size = static_cast<std::size_t>(random.Int(1, 10));
    std::vector<Component> all;
    for (std::size_t i = 0; i < size; ++i) {
      Component component = Plain(diary, "c" + std::to_string(i));
      for (std::size_t j = 0; j < i; ++j) {
        if (random.Unit() < 0.3) component.needs.push_back("c" + std::to_string(j));
      }
      all.push_back(std::move(component));
    }
    const bool fails = random.Unit() < 0.5;
    const auto culprit =
        static_cast<std::size_t>(random.Int(0, static_cast<std::int64_t>(size) - 1));
    if (fails) {
      all[culprit].start = [](Deadline) { throw std::runtime_error("no"); };
      all[culprit].stop = {};
    }
    for (const Component& component : all) cycle.Add(component);
    const std::string error = StartError(cycle);
    CHECK(error.empty() != fails);
    if (fails) CHECK(error.find("'c" + std::to_string(culprit) + "'") != std::string::npos);
    CHECK(cycle.Stop(In(20s)).Clean());
    for (const Component& component : all) {
      const auto up = diary.At("+" + component.name), down = diary.At("-" + component.name);
      CHECK((up >= 0) == (down >= 0));
      for (const std::string& need : component.needs) {
        if (up < 0) continue;
        CHECK(diary.At("+" + need) < up);
        CHECK(diary.At("+" + need) >= 0);
        CHECK(diary.At("-" + need) > down);
      }
    }
    CHECK(cycle.Stuck().empty());
  }
}

}  // namespace
}  // namespace perf::service
