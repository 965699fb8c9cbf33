// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/monitor.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::monitor {
namespace {

constexpr int kPointsAWindow = 12;
constexpr Duration kStopping = std::chrono::seconds(5);

/// Totals of all operations at one instant, to be subtracted from later ones.
struct Point {
  TimePoint at{};
  OperationTotals requests, database, calls;
};

}  // namespace

AlertSource::~AlertSource() = default;

struct Monitor::State {
  explicit State(MonitorOptions given)
      : options(std::move(given)),
        step(std::max<Duration>(options.config.app_interval / kPointsAWindow,
                                std::chrono::seconds(1))),
        system(options.system, std::min<Duration>(options.config.sample_interval * 9 / 10,
                                                  std::chrono::milliseconds(900))),
        tracker(options.tracker),
        watcher(options.watch) {
    Validate(options.config);
    registrations.push_back(system.RegisterMetrics(registry, options.config.sample_interval));
    registrations.push_back(tracker.RegisterMetrics(registry));
    registrations.push_back(watcher.RegisterMetrics(registry));
  }
  Point Read(TimePoint now) const {
    return {now, tracker.Requests(), tracker.DatabaseOperations(), tracker.ExternalCalls()};
  }

  const MonitorOptions options;
  const Duration step;  // between two points
  metrics::Registry registry;
  SystemSampler system;
  RequestTracker tracker;
  Watcher watcher;
  std::vector<metrics::Registry::Registration> registrations;  // go first

  mutable std::mutex mutex;  // of what follows
  std::deque<Point> points;  // oldest first; within app_interval and one step
  std::optional<TimePoint> sampled;
  const AlertSource* alerts = nullptr;

  std::mutex life;  // of Start and Stop
  std::mutex waking;
  std::condition_variable wake;
  bool stopping = false;
  bool started = false;
  std::thread thread;
};

Monitor::Monitor(MonitorOptions options) : state_(std::make_unique<State>(std::move(options))) {}

Monitor::~Monitor() { Stop(Deadline::After(Clock::now(), kStopping)); }

metrics::Registry& Monitor::Metrics() noexcept { return state_->registry; }
SystemSampler& Monitor::System() noexcept { return state_->system; }
RequestTracker& Monitor::Track() noexcept { return state_->tracker; }
Watcher& Monitor::Targets() noexcept { return state_->watcher; }
const PerformanceConfig& Monitor::Config() const noexcept { return state_->options.config; }

metrics::MetricsSnapshot Monitor::CurrentMetrics() const {
  metrics::MetricsSnapshot snapshot = state_->registry.Gather();
  state_->watcher.AddScraped(snapshot);
  return snapshot;
}

PerformanceSummary Monitor::Summary(TimePoint now) const {
  const Point current = state_->Read(now);
  Point base = current;
  {
    const std::lock_guard lock(state_->mutex);
    // The newest point that is a whole window old, else the oldest.
    const std::deque<Point>& points = state_->points;
    if (!points.empty() && points.front().at <= now) base = points.front();
    for (const Point& point : points) {
      if (now - point.at >= state_->options.config.app_interval) base = point;
    }
  }
  PerformanceSummary summary;
  summary.window = now - base.at;
  summary.requests = Summarize(base.requests, current.requests, summary.window);
  summary.database = Summarize(base.database, current.database, summary.window);
  summary.calls = Summarize(base.calls, current.calls, summary.window);
  const SystemSnapshot system = state_->system.Latest();
  const PerformanceConfig& config = state_->options.config;
  summary.cpu_percent = system.rates.cpu_percent;
  summary.process_cpu_percent = system.own.cpu_percent;
  summary.cpu_high = summary.cpu_percent.value_or(0) >= config.cpu_threshold_percent &&
                     summary.cpu_percent.has_value();
  if (const auto& memory = system.reading.memory; memory && memory->total > 0) {
    summary.memory_used_percent =
        100 - 100 * static_cast<double>(memory->available) / static_cast<double>(memory->total);
  }
  if (system.own.reading) {
    summary.process_memory_bytes = system.own.reading->resident_bytes;
    summary.memory_high = *summary.process_memory_bytes >= config.memory_threshold_mb << 20;
  }
  for (const WatchStatus& target : state_->watcher.Status()) {
    switch (target.state) {
      case WatchStatus::State::kUp: ++summary.targets_up; break;
      case WatchStatus::State::kDown: ++summary.targets_down; break;
      case WatchStatus::State::kUnknown: ++summary.targets_unknown; break;
    }
  }
  summary.alerts = ActiveAlerts().size();
  return summary;
}

std::vector<ActiveAlert> Monitor::ActiveAlerts() const {
  const AlertSource* source = nullptr;
  {
    const std::lock_guard lock(state_->mutex);
    source = state_->alerts;
  }
  if (source == nullptr || !state_->options.config.alerting_enabled) return {};
  std::vector<ActiveAlert> alerts = source->ActiveAlerts();
  std::stable_sort(alerts.begin(), alerts.end(),
                   [](const ActiveAlert& a, const ActiveAlert& b) { return a.level > b.level; });
  return alerts;
}

void Monitor::SetAlertSource(const AlertSource* source) noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->alerts = source;
}

TimePoint Monitor::Tick(TimePoint now) {
  State& state = *state_;
  const Duration interval = state.options.config.sample_interval;
  bool sample = false;
  bool point = false;
  {
    const std::lock_guard lock(state.mutex);
    sample = !state.sampled || now - *state.sampled >= interval;
    if (sample) state.sampled = now;
    point = state.points.empty() || now - state.points.back().at >= state.step;
  }
  if (sample) state.system.Sample(now);
  if (point) {
    Point read = state.Read(now);
    const std::lock_guard lock(state.mutex);
    state.points.push_back(std::move(read));
    // One that is a whole window old has to stay.
    while (state.points.size() > 1 &&
           now - state.points[1].at >= state.options.config.app_interval) {
      state.points.pop_front();
    }
  }
  const std::lock_guard lock(state.mutex);
  return std::min(Saturated(*state.sampled, interval),
                  Saturated(state.points.back().at, state.step));
}

void Monitor::Start() {
  State& state = *state_;
  const std::lock_guard lock(state.life);
  if (std::exchange(state.started, true)) throw Error("the monitor was started before");
  state.watcher.Start();
  state.thread = std::thread([this, &state] {
    std::unique_lock waking(state.waking);
    while (!state.stopping) {
      waking.unlock();
      const TimePoint next = Tick(Clock::now());
      waking.lock();
      state.wake.wait_until(waking, next, [&] { return state.stopping; });
    }
  });
}

bool Monitor::Stop(Deadline deadline) {
  State& state = *state_;
  const std::lock_guard lock(state.life);
  {
    const std::lock_guard waking(state.waking);
    state.stopping = true;
  }
  state.wake.notify_all();
  if (state.thread.joinable()) state.thread.join();
  return state.watcher.Stop(deadline);
}

}  // namespace perf::monitor
