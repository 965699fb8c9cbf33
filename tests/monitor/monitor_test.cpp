// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/monitor/monitor.hpp"

using namespace perf;
using namespace perf::monitor;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{std::chrono::hours(1)};

class TwoAlerts final : public AlertSource {
 public:
  std::vector<ActiveAlert> ActiveAlerts() const override {
    return {{"Slow", Level::kWarning, {}, "slow"}, {"Down", Level::kCritical, {}, "down"}};
  }
};

void Requests(Monitor& monitor, int count, Duration each, bool error = false) {
  const TrackedHandle handle = monitor.Track().Request("/x", "GET");
  for (int i = 0; i < count; ++i) {
    TrackedScope scope(handle, kStart);
    scope.SetError(error);
    scope.End(kStart + each);
  }
}

}  // namespace

TEST_CASE("the configuration comes from the environment, and a bad value names its variable") {
  std::map<std::string, std::string> variables;
  const auto read = [&] {
    return PerformanceConfig::FromEnvironment(
        config::Environment([&](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        }));
  };
  CHECK(read().system_interval == 30s);
  CHECK(read().app_interval == 60s);
  CHECK(read().memory_threshold_mb == 512);
  CHECK(read().cpu_threshold_percent == 80);
  CHECK(read().alerting_enabled);
  variables = {{"PERF_SYSTEM_INTERVAL", "2.5"},
               {"PERF_APP_INTERVAL", "10"},
               {"PERF_MEMORY_THRESHOLD_MB", "64"},
               {"PERF_CPU_THRESHOLD", "55.5"},
               {"PERF_ALERTING_ENABLED", "false"}};
  CHECK(read().system_interval == 2500ms);
  CHECK(read().app_interval == 10s);
  CHECK(read().memory_threshold_mb == 64);
  CHECK(read().cpu_threshold_percent == 55.5);
  CHECK_FALSE(read().alerting_enabled);
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"PERF_SYSTEM_INTERVAL", "0"},
                                          {"PERF_APP_INTERVAL", "x"},
                                          {"PERF_MEMORY_THRESHOLD_MB", "0"},
                                          {"PERF_CPU_THRESHOLD", "101"},
                                          {"PERF_ALERTING_ENABLED", "maybe"}}) {
    const std::string before = variables[name];
    variables[name] = value;
    CHECK_THROWS_WITH_AS(read(), doctest::Contains(name.c_str()), ConfigError);
    variables[name] = before;
  }
  PerformanceConfig bad;
  bad.sample_interval = 1ms;
  CHECK_THROWS_AS(Validate(bad), ConfigError);
}

TEST_CASE("the summary tells of the last window alone") {
  MonitorOptions options;
  options.config.app_interval = 12s;
  Monitor monitor(options);
  CHECK(monitor.Summary(kStart).requests.ended == 0);
  TimePoint now = kStart;
  CHECK(monitor.Tick(now) == now + 1s);
  Requests(monitor, 100, 40ms);
  Requests(monitor, 100, 3ms, true);
  PerformanceSummary summary = monitor.Summary(now + 4s);
  CHECK(summary.window == 4s);
  CHECK(summary.requests.ended == 200);
  CHECK(summary.requests.per_second == doctest::Approx(50));
  CHECK(summary.requests.error_ratio.value() == doctest::Approx(0.5));
  CHECK(summary.requests.mean_s.value() == doctest::Approx(0.0215));
  CHECK(summary.requests.p50_s.value() == doctest::Approx(0.00315));
  CHECK(summary.requests.p99_s.value() == doctest::Approx(0.04));
  CHECK(summary.database.ended == 0);
  CHECK_FALSE(summary.database.error_ratio);
  CHECK(summary.process_memory_bytes.value() > 0);
  CHECK(summary.memory_used_percent.value() > 0);
  // A window later they are forgotten, and what came since is told of.
  for (int second = 1; second <= 20; ++second) {
    if (second == 15) Requests(monitor, 24, 100ms);
    now = kStart + std::chrono::seconds(second);
    monitor.Tick(now);
  }
  summary = monitor.Summary(now);
  CHECK(summary.window == 12s);
  CHECK(summary.requests.ended == 24);
  CHECK(summary.requests.errors == 0);
  CHECK(summary.requests.per_second == doctest::Approx(2));
  const Json json = ToJson(summary);
  CHECK(json.AtPointer("/requests/latency/p99_ms")->AsDouble() == doctest::Approx(100));
  CHECK(json.AtPointer("/database/latency/p99_ms")->IsNull());
}

TEST_CASE("thresholds are held against processor and memory") {
  MonitorOptions options;
  options.config.memory_threshold_mb = 1;
  options.config.cpu_threshold_percent = 0;
  options.config.sample_interval = 100ms;
  Monitor monitor(options);
  CHECK_FALSE(monitor.Summary(kStart).memory_high);  // nothing is known yet
  CHECK_FALSE(monitor.Summary(kStart).cpu_high);
  monitor.Tick(kStart);
  CHECK(monitor.Summary(kStart).memory_high);
  options.config.memory_threshold_mb = 1 << 20;
  Monitor roomy(options);
  roomy.Tick(kStart);
  CHECK_FALSE(roomy.Summary(kStart).memory_high);
}

TEST_CASE("active alerts: worst first, and none where alerting is off") {
  const TwoAlerts alerts;
  Monitor monitor;
  CHECK(monitor.ActiveAlerts().empty());
  monitor.SetAlertSource(&alerts);
  REQUIRE(monitor.ActiveAlerts().size() == 2);
  CHECK(monitor.ActiveAlerts()[0].name == "Down");
  CHECK(monitor.Summary(kStart).alerts == 2);
  monitor.SetAlertSource(nullptr);
  CHECK(monitor.ActiveAlerts().empty());
  MonitorOptions off;
  off.config.alerting_enabled = false;
  Monitor quiet(off);
  quiet.SetAlertSource(&alerts);
  CHECK(quiet.ActiveAlerts().empty());
}

TEST_CASE("a started monitor samples by itself and stops at once") {
  MonitorOptions options;
  options.config.sample_interval = 100ms;
  Monitor monitor(options);
  monitor.Start();
  CHECK_THROWS_AS(monitor.Start(), Error);
  const Deadline deadline = Deadline::After(Clock::now(), 60s);
  while (monitor.System().Latest().samples < 3 && !deadline.Passed(Clock::now())) {
    std::this_thread::yield();
  }
  CHECK(monitor.System().Latest().samples >= 3);
  const metrics::MetricsSnapshot all = monitor.CurrentMetrics();
  CHECK(all.errors.empty());
  const std::string text = metrics::Expose(all);
  for (const char* collector : {"system", "tracking", "watch"}) {
    CHECK(text.find("perfkit_collector_success{collector=\"" + std::string(collector) + "\"} 1") !=
          std::string::npos);
  }
  CHECK(monitor.Stop(deadline));
}
