// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"

namespace perf::service {

/// How a part of the agent is, worst last. kUnknown is shown and makes nothing worse.
enum class HealthStatus : std::uint8_t { kUnknown, kUp, kOutOfService, kDown };

/// "UNKNOWN", "UP", "OUT_OF_SERVICE" or "DOWN".
PERF_EXPORT std::string_view Name(HealthStatus status) noexcept;
/// 503 for DOWN and OUT_OF_SERVICE, 200 for the rest.
PERF_EXPORT int HttpStatus(HealthStatus status) noexcept;

struct ComponentHealth {
  HealthStatus status = HealthStatus::kUp;
  std::string detail{};  // for people, without secrets
};

/// The mark that a loop leaves at each turn, so that somebody else can see that it still turns.
/// Thread safety: all methods.
class PERF_EXPORT Heartbeat {
 public:
  /// `interval`: between two beats in good order.
  explicit Heartbeat(Duration interval) noexcept : interval_(interval) {}
  void Beat(TimePoint now) noexcept {
    last_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  /// UP up to three intervals after a beat, DOWN later; UNKNOWN before the first.
  ComponentHealth Check(TimePoint now) const;

 private:
  const Duration interval_;
  std::atomic<Duration::rep> last_{0};
};

/// What a check counts for. Targets count for nothing but their own line: a monitor that calls
/// itself ill because its patient is would only be restarted.
struct HealthRole {
  bool live = false;   // the process must be restarted when it is DOWN
  bool ready = false;  // requests should wait while it is not UP
  bool target = false;
};

/// The checks of an agent, and their aggregate: DOWN before OUT_OF_SERVICE before UP.
/// Thread safety: all methods; checks run in the asking thread, without a lock held, and must be
/// quick. Lifetime: what the checks refer to lives until Remove or the board's end.
class PERF_EXPORT HealthBoard {
 public:
  using Check = std::function<ComponentHealth(TimePoint now)>;
  enum class Group : std::uint8_t { kAll, kLive, kReady };
  struct Report {
    HealthStatus status = HealthStatus::kUp;
    Json body;  // {status, checks: [{name, status, target?, detail?}]}
  };

  /// Throws: Error for a name that is taken.
  void Add(std::string name, HealthRole role, Check check);
  void Remove(std::string_view name);
  /// A check that throws is DOWN, with what it threw.
  Report Ask(Group group, TimePoint now) const;

 private:
  struct Entry {
    std::string name;
    HealthRole role;
    Check check;
  };
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Entry>> entries_;
};

}  // namespace perf::service
