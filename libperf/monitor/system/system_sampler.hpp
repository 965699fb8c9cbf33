// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/metrics/registry.hpp"
#include "libperf/monitor/system/readings.hpp"
#include "libperf/monitor/system/system_reader.hpp"

namespace perf::monitor {

/// What happened a second between two samples; absent until there are two, or where a counter is
/// absent or went back.
struct SystemRates {
  Duration window{};                  // between the two
  std::optional<double> cpu_percent;  // 0 to 100 of all processors: all but idle and iowait
  std::optional<double> iowait_percent, steal_percent;
  std::optional<double> disk_read_bytes, disk_written_bytes;  // a second, over all whole disks
  std::optional<double> disk_busy_percent;                    // of the busiest
  std::optional<double> received_bytes, sent_bytes;           // a second, all but loopback
  std::optional<double> cpu_pressure_percent, memory_pressure_percent, io_pressure_percent;
  std::optional<double> throttled_percent;  // of the cgroup's periods
  std::optional<double> context_switches;   // a second
};

struct ProcessSnapshot {
  std::string name;
  bool up = false;
  std::uint64_t restarts = 0;  // times that SetProcess gave the name another process
  std::optional<ProcessReading> reading;
  std::optional<double> cpu_percent;  // 100 is one processor
};

struct SystemSnapshot {
  TimePoint at{};
  std::uint64_t samples = 0;  // taken so far; 0: there is nothing yet
  SystemReading reading;
  SystemRates rates;
  ProcessSnapshot own;
  std::vector<ProcessSnapshot> processes;  // by name
};

/// Samples machine, cgroup, this process and chosen others; the front of SystemReader and
/// ProcessReader.
/// Cost: some 100 us a sample on a machine with few devices (tests/monitor/system/system_bench).
/// Thread safety: all methods. Lifetime: outlives the Registration that RegisterMetrics gives.
class PERF_EXPORT SystemSampler {
 public:
  /// Rates are taken over `min_window` at least, so that one who asks often does not make them of
  /// the grain of the kernel's clock.
  explicit SystemSampler(SystemOptions options = {},
                         Duration min_window = std::chrono::milliseconds(900));
  ~SystemSampler();
  SystemSampler(const SystemSampler&) = delete;
  SystemSampler& operator=(const SystemSampler&) = delete;

  /// Watches a process under a name (a closed set: it becomes a label), or another one under the
  /// same. Throws: Error for a bad name or more than 64 of them.
  void SetProcess(const std::string& name, int pid);
  void RemoveProcess(const std::string& name);

  void Sample(TimePoint now);
  SystemSnapshot Latest() const;
  /// Collector "system" (perfkit-metrics(7), SYSTEM): what the last sample gave, after a new one
  /// where it is older than `max_age`. The clock is read in the scraper's thread.
  [[nodiscard]] metrics::Registry::Registration RegisterMetrics(
      metrics::Registry& registry, Duration max_age = std::chrono::seconds(1));

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Adds the families process_…, perfkit_system_… and perfkit_process_… of one sample.
PERF_EXPORT void AddSystemMetrics(const SystemSnapshot& snapshot, metrics::Collection& collection);

}  // namespace perf::monitor
