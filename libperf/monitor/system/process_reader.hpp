// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/system/proc_file.hpp"
#include "libperf/monitor/system/readings.hpp"

namespace perf::monitor {

/// Reads /proc/PID of one process, and never takes a later process of the same number for it: the
/// start time tells them apart. Thread safety: none.
class PERF_EXPORT ProcessReader {
 public:
  /// `pid` 0 is this process. It is the process of that number at the first Read.
  ProcessReader(const std::string& root, int pid);
  /// Nothing once it has ended. `boot_time`, seconds since 1970, gives the start time.
  std::optional<ProcessReading> Read(std::optional<std::uint64_t> boot_time);
  /// Whether another process has the number now.
  bool Reused() const noexcept { return reused_; }

 private:
  std::optional<std::uint64_t> ReadLimit();
  int pid_;
  std::vector<char> buffer_;
  ProcFile stat_, limits_;
  ProcDirectory fds_;
  std::optional<std::uint64_t> start_ticks_;
  std::optional<std::uint64_t> max_fds_;
  unsigned reads_ = 0;
  bool reused_ = false;
};

}  // namespace perf::monitor
