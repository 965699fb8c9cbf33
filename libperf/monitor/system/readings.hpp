// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/base/export.hpp"

// What one look at the machine gave: totals since its start, and states. Whatever the kernel does
// not tell is absent, never 0. Seconds, bytes, counts.
namespace perf::monitor {

/// As in the line "cpu" of /proc/stat; guests are part of user and nice.
enum class CpuMode : std::uint8_t { kUser, kNice, kSystem, kIdle, kIowait, kIrq, kSoftirq, kSteal };
inline constexpr std::size_t kCpuModes = 8;
/// "user" … "steal".
PERF_EXPORT std::string_view Name(CpuMode mode) noexcept;

struct CpuReading {
  std::array<double, kCpuModes> seconds{};  // by CpuMode, over all processors
  std::size_t processors = 0;
  std::uint64_t context_switches = 0;
  std::uint64_t forks = 0;
  std::uint64_t running = 0;    // processes, now
  std::uint64_t blocked = 0;    // processes that wait for a disk, now
  std::uint64_t boot_time = 0;  // seconds since 1970
  double Total() const noexcept;
  double Idle() const noexcept;  // idle and iowait
};

struct MemoryReading {  // bytes
  std::uint64_t total = 0;
  std::uint64_t free = 0;
  std::uint64_t available = 0;  // for programs without swapping
  std::uint64_t buffers = 0;
  std::uint64_t cached = 0;  // the page cache and slabs that can be reclaimed
  std::uint64_t swap_total = 0;
  std::uint64_t swap_free = 0;
  std::uint64_t Used() const noexcept;  // total without free, buffers and cached
};

struct DiskReading {
  std::string device;
  std::uint64_t reads = 0;
  std::uint64_t read_bytes = 0;
  double read_seconds = 0;
  std::uint64_t writes = 0;
  std::uint64_t written_bytes = 0;
  double write_seconds = 0;
  std::uint64_t in_flight = 0;  // now
  double busy_seconds = 0;
};

struct MountReading {
  std::string mount;
  std::uint64_t size = 0;       // bytes
  std::uint64_t free = 0;       // bytes
  std::uint64_t available = 0;  // bytes, for users other than root
  std::uint64_t files = 0;      // inodes; 0 where the file system has no such limit
  std::uint64_t files_free = 0;
  /// As df counts: used / (used + available); 0 to 1.
  double UsedRatio() const noexcept;
};

struct NetworkReading {
  std::string device;
  std::uint64_t received_bytes = 0, received_packets = 0, receive_errors = 0, receive_drops = 0;
  std::uint64_t sent_bytes = 0, sent_packets = 0, send_errors = 0, send_drops = 0;
};

/// How long tasks waited for a resource (PSI).
struct PressureReading {
  double waiting_seconds = 0;             // some task waited
  std::optional<double> stalled_seconds;  // all did; kernels tell it of cpu since 5.13
};

/// Of our own cgroup (version 2).
struct CgroupReading {
  std::optional<double> cpu_seconds;
  std::optional<std::uint64_t> periods, throttled_periods;  // with a CPU limit only
  std::optional<double> throttled_seconds;
  std::optional<double> cpu_limit;                    // processors; none: no limit
  std::optional<std::uint64_t> memory, memory_limit;  // bytes; none: no limit
  /// memory.events: times at low, high, max; oom, oom_kill.
  struct MemoryEvents {
    std::uint64_t low = 0, high = 0, max = 0, oom = 0, oom_kill = 0;
  };
  std::optional<MemoryEvents> events;
};

struct SystemReading {
  std::optional<CpuReading> cpu;
  std::optional<MemoryReading> memory;
  std::optional<std::array<double, 3>> load;  // over 1, 5 and 15 minutes
  std::vector<DiskReading> disks;
  std::vector<MountReading> mounts;
  std::vector<NetworkReading> networks;
  std::optional<PressureReading> cpu_pressure, memory_pressure, io_pressure;
  std::optional<std::uint64_t> open_files, max_open_files;
  std::optional<CgroupReading> cgroup;
  std::uint64_t devices_left_out = 0;  // above SystemOptions::max_devices
};

/// One process at one instant.
struct ProcessReading {
  int pid = 0;
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t threads = 0;
  std::optional<std::uint64_t> open_fds;  // none: not ours to see
  std::optional<std::uint64_t> max_fds;   // none also where there is no limit
  std::uint64_t start_ticks = 0;          // since boot: with the pid the identity of the process
  std::optional<double> start_time;       // seconds since 1970
};

}  // namespace perf::monitor
