// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"
#include "libperf/monitor/system/proc_file.hpp"
#include "libperf/monitor/system/readings.hpp"

namespace perf::monitor {

struct SystemOptions {
  std::string root;  // before /proc and /sys; empty: the machine's own
  /// File systems whose room is watched, by any path in them. Not below `root`. One that cannot be
  /// asked is left out. statvfs(2) of a network file system whose server is gone blocks.
  std::vector<std::string> mounts{"/"};
  std::size_t max_devices = 64;  // disks, and network devices; more are left out and counted
};

/// Reads /proc/{stat,meminfo,loadavg,diskstats,net/dev,pressure/*,sys/fs/file-nr} and the cgroup.
/// Keeps its files open; a read after the first allocates nothing as long as devices stay.
/// Thread safety: none.
class PERF_EXPORT SystemReader {
 public:
  explicit SystemReader(const SystemOptions& options);
  /// Fills `into`, reusing what it holds.
  void Read(SystemReading& into);

 private:
  void ReadCpu(SystemReading& into);
  void ReadMemory(SystemReading& into);
  void ReadLoad(SystemReading& into);
  void ReadFiles(SystemReading& into);
  void ReadDisks(SystemReading& into);
  void ReadMounts(SystemReading& into) const;
  void ReadNetworks(SystemReading& into);
  std::optional<PressureReading> ReadPressure(ProcFile& file);
  void ReadCgroup(SystemReading& into);

  SystemOptions options_;
  std::vector<char> buffer_;
  ProcFile stat_, meminfo_, loadavg_, diskstats_, net_dev_, file_nr_;
  ProcFile cpu_pressure_, memory_pressure_, io_pressure_;
  std::string cgroup_;  // its directory; empty: none
  ProcFile cpu_stat_, cpu_max_, memory_current_, memory_max_, memory_events_;
};

/// The directory of this process' cgroup of version 2 below `root`, "" where there is none.
PERF_EXPORT std::string FindCgroup(const std::string& root);

}  // namespace perf::monitor
