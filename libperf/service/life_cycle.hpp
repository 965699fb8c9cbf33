// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/service/health.hpp"

namespace perf::service {

/// One part of an agent.
/// Lifetime: what its functions refer to lives until the life cycle's end.
struct Component {
  std::string name;
  std::vector<std::string> needs{};  // are up before it starts, and stop after it
  /// Returns when it has started; throws what was wrong. Must heed the deadline.
  std::function<void(Deadline)> start;
  /// Drains and ends; also called for a start that came to its end too late. Empty: nothing to do.
  std::function<void(Deadline)> stop{};
  /// After `start` it is asked until it is neither DOWN nor OUT_OF_SERVICE, then by whoever likes.
  /// Empty: UP.
  std::function<ComponentHealth(TimePoint)> check{};
  Duration start_within = std::chrono::seconds(30);
  Duration stop_within = std::chrono::seconds(10);
};

struct StopReport {
  std::vector<std::string> late;    // had not stopped when their time was over
  std::vector<std::string> failed;  // "name: what it threw"
  bool Clean() const noexcept { return late.empty() && failed.empty(); }
};

/// Starts components in the order of their needs, in parallel where they are free, and stops them
/// in the reverse order.
/// Thread safety: Add, Start and Stop from one thread; Now and Check from any thread.
/// Lifetime: the destructor stops what runs and waits, without a limit, for starts and stops that
/// did not heed their deadlines (they refer to components); a program that cannot wait asks Stuck
/// and leaves by _Exit.
class PERF_EXPORT LifeCycle {
 public:
  enum class State : std::uint8_t { kNew, kStarting, kUp, kStopping, kStopped };

  LifeCycle();
  ~LifeCycle();
  LifeCycle(const LifeCycle&) = delete;
  LifeCycle& operator=(const LifeCycle&) = delete;

  /// Throws: Error after Start.
  void Add(Component component);
  /// Throws: ConfigError as DependencyGraph; Error that names each component that failed and why,
  /// and what was stopped again for it.
  void Start(Deadline deadline);
  /// May be called again. `deadline` bounds all of it, beside each component's own limit.
  StopReport Stop(Deadline deadline);

  State Now() const noexcept;
  /// What its check says, or OUT_OF_SERVICE while it is not up.
  /// Throws: Error for an unknown name.
  ComponentHealth Check(const std::string& name, TimePoint now) const;
  /// Names of components that are still inside of start or stop.
  std::vector<std::string> Stuck() const;

 private:
  struct Shared;
  struct Part;
  std::vector<std::string> StartAll(Deadline deadline);
  void Begin(std::size_t item, Deadline deadline);
  StopReport StopAll(Deadline deadline);

  std::unique_ptr<Shared> shared_;
};

}  // namespace perf::service
