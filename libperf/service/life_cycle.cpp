// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/life_cycle.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"
#include "libperf/service/dependencies.hpp"

namespace perf::service {
namespace {

// Between two questions to a component that has started but is not well yet.
constexpr Duration kAskAgain = std::chrono::milliseconds(10);
constexpr Duration kGrace = std::chrono::milliseconds(100);
constexpr Duration kRollback = std::chrono::seconds(30);

enum class Phase : std::uint8_t { kIdle, kStarting, kUp, kStopping, kStopped, kFailed };

bool Well(const ComponentHealth& health) noexcept {
  return health.status < HealthStatus::kOutOfService;
}

/// Start, then questions until all is well; the text of what was wrong, or empty.
std::string StartOne(const Component& component, Deadline deadline) {
  try {
    component.start(deadline);
    if (!component.check) return {};
    for (;;) {
      const ComponentHealth health = component.check(Clock::now());
      if (Well(health)) return {};
      if (deadline.Passed(Clock::now())) {
        return fmt::format("started, but is {}: {}", service::Name(health.status), health.detail);
      }
      std::this_thread::sleep_for(kAskAgain);
    }
  } catch (...) {
    const std::string text = MaskSecrets(ThrownText());
    return text.empty() ? "threw" : text;
  }
}

std::string StopOne(const Component& component, Deadline deadline) {
  if (!component.stop) return {};
  try {
    component.stop(deadline);
    return {};
  } catch (...) {
    return MaskSecrets(ThrownText());
  }
}

}  // namespace

struct LifeCycle::Part {
  explicit Part(Component what) : component(std::move(what)) {}
  Component component;
  Phase phase = Phase::kIdle;  // this, the next and the failure: protected by the mutex
  bool given_up = false;       // nobody waits for its start any more
  std::string failure;
  bool running = false;
  Deadline deadline = Deadline::Never();  // of the owner's thread
  std::thread thread;
};

struct LifeCycle::Shared {
  enum class Work : std::uint8_t { kStart, kStop };
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Part> parts;  // does not move them
  std::deque<std::pair<std::size_t, Work>> ended;
  std::atomic<State> state{State::kNew};

  /// Runs `body` in the part's thread, the one before it being over.
  template <typename Body>
  void Run(std::size_t item, Work work, Phase phase, Body body) {
    Part& part = parts[item];
    if (part.thread.joinable()) part.thread.join();
    {
      const std::lock_guard lock(mutex);
      part.phase = phase;
      part.running = true;
    }
    part.thread = std::thread([this, item, work, body = std::move(body)] {
      body();
      const std::lock_guard lock(mutex);
      parts[item].running = false;
      ended.emplace_back(item, work);
      changed.notify_all();
    });
  }

  /// The next part whose work of this kind has ended, or nothing at the deadline.
  std::optional<std::size_t> Await(Work work, Deadline deadline) {
    std::unique_lock lock(mutex);
    for (;;) {
      while (!ended.empty()) {
        const auto [item, done] = ended.front();
        ended.pop_front();
        if (done == work) return item;
      }
      if (deadline.IsNever()) {
        changed.wait(lock);
      } else if (changed.wait_until(lock, deadline.At()) == std::cv_status::timeout &&
                 ended.empty()) {
        return std::nullopt;
      }
    }
  }

  DependencyGraph Graph() const {
    std::vector<Dependent> items;
    for (const Part& part : parts) items.push_back({part.component.name, part.component.needs});
    return DependencyGraph(items);
  }

  std::vector<bool> Up() const {
    const std::lock_guard lock(mutex);
    std::vector<bool> up;
    for (const Part& part : parts) up.push_back(part.phase == Phase::kUp);
    return up;
  }

  Deadline FirstOf(const std::vector<std::size_t>& items) const {
    Deadline first = Deadline::Never();
    for (const std::size_t item : items) first = Sooner(first, parts[item].deadline);
    return first;
  }
};

LifeCycle::LifeCycle() : shared_(std::make_unique<Shared>()) {}

LifeCycle::~LifeCycle() {
  Stop(Deadline::After(Clock::now(), std::chrono::seconds(30)));
  for (Part& part : shared_->parts) {
    if (part.thread.joinable()) part.thread.join();
  }
}

void LifeCycle::Add(Component component) {
  if (Now() != State::kNew) {
    throw Error(fmt::format("component '{}' comes after the start", component.name));
  }
  shared_->parts.emplace_back(std::move(component));
}

LifeCycle::State LifeCycle::Now() const noexcept { return shared_->state.load(); }

void LifeCycle::Begin(std::size_t item, Deadline deadline) {
  Shared& shared = *shared_;
  Part& part = shared.parts[item];
  part.deadline = Sooner(deadline, Deadline::After(Clock::now(), part.component.start_within));
  shared.Run(item, Shared::Work::kStart, Phase::kStarting, [&shared, &part, until = part.deadline] {
    std::string failure = StartOne(part.component, until);
    std::unique_lock lock(shared.mutex);
    // A start that comes late, and one that is not well, leaves something to take down.
    const bool take_down = part.given_up || !failure.empty();
    if (!part.given_up) part.failure = std::move(failure);
    part.phase = take_down ? Phase::kFailed : Phase::kUp;
    lock.unlock();
    if (take_down) {
      StopOne(part.component, Deadline::After(Clock::now(), part.component.stop_within));
    }
  });
}

std::vector<std::string> LifeCycle::StartAll(Deadline deadline) {
  Shared& shared = *shared_;
  const DependencyGraph graph = shared.Graph();
  DependencyWalk walk(graph, DependencyWalk::Direction::kNeedsFirst,
                      std::vector<bool>(graph.Size(), true));
  std::vector<std::string> failures;
  std::vector<std::size_t> starting;
  const auto fail = [&](const Part& part, std::string_view why) {
    failures.push_back(fmt::format("component '{}' failed to start: {}", part.component.name, why));
  };
  // After a failure nothing new begins, but what is under way comes to its end: then the order in
  // which all is stopped again is the right one.
  while (!walk.Finished() && (failures.empty() || !starting.empty())) {
    for (const std::size_t item : walk.TakeReady()) {
      if (!failures.empty()) break;
      Begin(item, deadline);
      starting.push_back(item);
    }
    // Who heeds its deadline can say why it failed: it gets a moment to do so.
    const Deadline first = shared.FirstOf(starting);
    const auto ended = shared.Await(Shared::Work::kStart,
                                    first.IsNever() ? first : Deadline::After(first.At(), kGrace));
    const std::lock_guard lock(shared.mutex);
    if (ended) {
      if (std::erase(starting, *ended) == 0) continue;  // was given up before
      const Part& part = shared.parts[*ended];
      walk.Done(*ended);
      if (part.phase != Phase::kUp) fail(part, part.failure);
      continue;
    }
    for (const std::size_t item : std::exchange(starting, {})) {
      Part& part = shared.parts[item];
      if (part.phase != Phase::kStarting || !part.deadline.Passed(Clock::now())) {
        starting.push_back(item);
        continue;
      }
      part.given_up = true;
      part.failure = fmt::format("not up when its time of {} was over",
                                 FormatDuration(part.component.start_within));
      fail(part, part.failure);
    }
  }
  return failures;
}

void LifeCycle::Start(Deadline deadline) {
  if (Now() != State::kNew) throw Error("a life cycle starts once");
  shared_->state = State::kStarting;
  std::vector<std::string> failures;
  try {
    failures = StartAll(deadline);
  } catch (...) {
    shared_->state = State::kStopped;
    throw;
  }
  if (failures.empty()) {
    shared_->state = State::kUp;
    return;
  }
  std::vector<std::string_view> up;
  const std::vector<bool> is_up = shared_->Up();
  for (std::size_t i = 0; i < is_up.size(); ++i) {
    if (is_up[i]) up.push_back(shared_->parts[i].component.name);
  }
  const StopReport report = Stop(Deadline::After(Clock::now(), kRollback));
  std::string text = fmt::format("{}", fmt::join(failures, "; "));
  if (!up.empty()) text += fmt::format("; stopped again: {}", fmt::join(up, ", "));
  if (!report.late.empty()) text += fmt::format("; did not stop: {}", fmt::join(report.late, ", "));
  throw Error(text);
}

StopReport LifeCycle::StopAll(Deadline deadline) {
  Shared& shared = *shared_;
  const DependencyGraph graph = shared.Graph();
  DependencyWalk walk(graph, DependencyWalk::Direction::kNeededByFirst, shared.Up());
  StopReport report;
  std::vector<std::size_t> stopping;
  const auto begin = [&](std::size_t item) {
    Part& part = shared.parts[item];
    part.deadline = Sooner(deadline, Deadline::After(Clock::now(), part.component.stop_within));
    shared.Run(item, Shared::Work::kStop, Phase::kStopping,
               [&shared, &part, until = part.deadline] {
                 std::string failure = StopOne(part.component, until);
                 const std::lock_guard lock(shared.mutex);
                 part.failure = std::move(failure);
                 part.phase = Phase::kStopped;
               });
    stopping.push_back(item);
  };
  while (!walk.Finished()) {
    for (const std::size_t item : walk.TakeReady()) begin(item);
    const Deadline first = shared.FirstOf(stopping);
    const auto ended = shared.Await(Shared::Work::kStop,
                                    first.IsNever() ? first : Deadline::After(first.At(), kGrace));
    const std::lock_guard lock(shared.mutex);
    if (ended) {
      if (std::erase(stopping, *ended) == 0) continue;  // was late, and told
      const Part& part = shared.parts[*ended];
      if (!part.failure.empty()) {
        report.failed.push_back(fmt::format("{}: {}", part.component.name, part.failure));
      }
      walk.Done(*ended);
      continue;
    }
    // What a late one needs cannot wait for ever: it goes, too.
    for (const std::size_t item : std::exchange(stopping, {})) {
      const Part& part = shared.parts[item];
      if (part.phase == Phase::kStopped || !part.deadline.Passed(Clock::now())) {
        stopping.push_back(item);
        continue;
      }
      report.late.push_back(part.component.name);
      walk.Done(item);
    }
  }
  return report;
}

StopReport LifeCycle::Stop(Deadline deadline) {
  if (Now() == State::kNew || Now() == State::kStopped) {
    shared_->state = State::kStopped;
    return {};
  }
  shared_->state = State::kStopping;
  StopReport report = StopAll(deadline);
  shared_->state = State::kStopped;
  return report;
}

ComponentHealth LifeCycle::Check(const std::string& name, TimePoint now) const {
  for (const Part& part : shared_->parts) {
    if (part.component.name != name) continue;
    {
      const std::lock_guard lock(shared_->mutex);
      if (part.phase == Phase::kFailed) return {HealthStatus::kDown, part.failure};
      if (part.phase != Phase::kUp) return {HealthStatus::kOutOfService, "not up"};
    }
    return part.component.check ? part.component.check(now) : ComponentHealth{};
  }
  throw Error(fmt::format("no component '{}'", name));
}

std::vector<std::string> LifeCycle::Stuck() const {
  const std::lock_guard lock(shared_->mutex);
  std::vector<std::string> names;
  for (const Part& part : shared_->parts) {
    if (part.running) names.push_back(part.component.name);
  }
  return names;
}

}  // namespace perf::service
