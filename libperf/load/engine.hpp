// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/load/arrivals.hpp"
#include "libperf/load/collector.hpp"
#include "libperf/load/flow_runner.hpp"
#include "libperf/load/scenario.hpp"
#include "libperf/load/stall_watch.hpp"
#include "libperf/load/target.hpp"

namespace perf::load {

/// What the loops of one run have in common.
/// Thread safety: the atomics; the rest is set before the threads start.
struct RunShared {
  RunShared(const Scenario& scenario, std::size_t loops);
  const Scenario& scenario;
  const std::size_t loops;
  TimePoint start{};
  std::vector<std::uint16_t> via_ports;  // by target: of its fault proxy; 0 or absent for none
  std::vector<std::unique_ptr<LoopGate>> gates;  // by loop; closed when it has ended
  std::unique_ptr<CacheSet> caches;              // before Run; goes before the gates
  std::unique_ptr<AudioSet> audio;               // before Run; null where nothing is played
  Collector collector;
  alignas(64) std::atomic<std::int64_t> seq{0};  // written by all loops: on no line that they read
  std::vector<std::atomic<std::int64_t>> started;  // iterations, by load
  std::vector<std::atomic<std::int64_t>> running;  // loops on which the load has not ended, by load
  /// Called once per load, on the loop that ended last.
  std::function<void(std::size_t load)> on_load_ended;
};

/// One loop of a run: paces its share of the arrivals, runs its share of the users.
/// Thread safety: Run on its own thread; EndEarly and StartLoad from any; the rest before and
/// after Run. Lifetime: borrows `shared`.
class PERF_EXPORT Engine {
 public:
  /// `urls` by target. Throws: ConfigError for a target that the backends refuse.
  Engine(RunShared& shared, const std::vector<std::string>& urls, std::size_t index);
  ~Engine();

  /// Dials each target once, all at the same time. By target: kNone, or why not.
  std::vector<backends::Failure> Probe(Deadline deadline);
  /// Until all loads have ended and drained.
  void Run();
  /// No new iterations; those under way have `drain` to end.
  void EndEarly(Duration drain);
  /// Starts a load that waited for the end of another one.
  void StartLoad(std::size_t load, TimePoint at);

  Duration CpuUsed() const noexcept { return cpu_used_; }
  const StallWatch& Stalls() const noexcept { return stalls_; }
  const std::vector<std::unique_ptr<TargetRuntime>>& Targets() const noexcept { return targets_; }

 private:
  struct LoadState {
    bool begun = false;
    bool stopped = false;  // starts nothing more
    bool ended = false;
    std::size_t active = 0;  // iterations under way
    std::size_t users = 0;   // user tasks that live
    TimePoint start{};
    TimePoint end = TimePoint::max();
    std::optional<Arrivals> arrivals;
    std::optional<Arrivals::Arrival> next;
  };

  void BeginPlannedLoads();
  void Begin(std::size_t load, TimePoint at);
  TimePoint OnWake(TimePoint now);
  void StartArrival(std::size_t load, const Arrivals::Arrival& arrival);
  Task<void> RunArrival(Iteration& iteration);
  Task<void> RunUser(std::size_t load, std::int64_t user);
  static std::optional<TimePoint> PauseEnd(const LoadSpec& spec, const Iteration& iteration,
                                           TimePoint started);
  bool MayStart(std::size_t load, TimePoint now);
  void Stopped(std::size_t load);
  void PlanDrain();
  void CheckEnded(std::size_t load);
  void CheckAllEnded();
  Task<void> CancelAt(TimePoint at);
  Task<void> Tick();
  void DeliverInterval(std::int64_t second);
  Iteration& TakeIteration(std::size_t load, std::int64_t user, std::int64_t index);
  void GiveIteration(Iteration& iteration) { unused_.push_back(&iteration); }
  void DrawRows(Iteration& iteration);

  RunShared& shared_;
  const Scenario& scenario_;
  const std::size_t index_;
  backends::EventLoop loop_;
  LoopGate& gate_;
  std::vector<std::unique_ptr<TargetRuntime>> targets_;
  std::unique_ptr<Player> player_;  // while and after it ran; null where nothing is played
  FlowRunner flows_;
  StallWatch stalls_;
  std::vector<LoadState> loads_;
  std::vector<std::unique_ptr<Iteration>> iterations_;
  std::vector<Iteration*> unused_;
  std::unique_ptr<Interval> interval_;
  std::size_t active_ = 0;
  bool ending_ = false;
  bool drain_planned_ = false;
  bool all_ended_ = false;
  Duration cpu_used_{};
};

}  // namespace perf::load
