// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/performance_config.hpp"

#include "libperf/base/error.hpp"

namespace perf::monitor {
namespace {

constexpr config::Range<double> kSeconds{1, 86'400};
constexpr config::Range<std::int64_t> kMebibytes{1, std::int64_t{1} << 30};
constexpr config::Range<double> kPercent{0, 100};

Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

PerformanceConfig PerformanceConfig::FromEnvironment(const config::Environment& environment) {
  PerformanceConfig config;
  const auto interval = [&](const char* name, Duration& value) {
    if (const auto seconds = environment.Number(name, kSeconds)) value = FromSeconds(*seconds);
  };
  interval("PERF_SYSTEM_INTERVAL", config.system_interval);
  interval("PERF_APP_INTERVAL", config.app_interval);
  if (const auto mebibytes = environment.Integer("PERF_MEMORY_THRESHOLD_MB", kMebibytes)) {
    config.memory_threshold_mb = static_cast<std::uint64_t>(*mebibytes);
  }
  config.cpu_threshold_percent =
      environment.Number("PERF_CPU_THRESHOLD", kPercent).value_or(config.cpu_threshold_percent);
  config.alerting_enabled =
      environment.Bool("PERF_ALERTING_ENABLED").value_or(config.alerting_enabled);
  return config;
}

void Validate(const PerformanceConfig& config) {
  const auto require = [](bool good, const char* what) {
    if (!good) throw ConfigError(what);
  };
  const auto interval = [](Duration value) {
    return value >= std::chrono::seconds(1) && value <= std::chrono::hours(24);
  };
  require(interval(config.system_interval), "system_interval must be 1 s to 24 h");
  require(interval(config.app_interval), "app_interval must be 1 s to 24 h");
  require(config.sample_interval >= std::chrono::milliseconds(100) &&
              config.sample_interval <= std::chrono::hours(1),
          "sample_interval must be 100 ms to 1 h");
  require(config.memory_threshold_mb >= 1, "memory_threshold_mb must be at least 1");
  require(config.cpu_threshold_percent >= 0 && config.cpu_threshold_percent <= 100,
          "cpu_threshold_percent must be 0 to 100");
}

}  // namespace perf::monitor
