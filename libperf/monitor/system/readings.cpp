// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/system/readings.hpp"

#include <numeric>

namespace perf::monitor {

std::string_view Name(CpuMode mode) noexcept {
  constexpr std::array<std::string_view, kCpuModes> kNames{"user",   "nice", "system",  "idle",
                                                           "iowait", "irq",  "softirq", "steal"};
  return kNames[static_cast<std::size_t>(mode)];
}

double CpuReading::Total() const noexcept {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

double CpuReading::Idle() const noexcept {
  return seconds[static_cast<std::size_t>(CpuMode::kIdle)] +
         seconds[static_cast<std::size_t>(CpuMode::kIowait)];
}

std::uint64_t MemoryReading::Used() const noexcept {
  const std::uint64_t other = free + buffers + cached;
  return other < total ? total - other : 0;
}

double MountReading::UsedRatio() const noexcept {
  const double used = size > free ? static_cast<double>(size - free) : 0;
  const double all = used + static_cast<double>(available);
  return all > 0 ? used / all : 0;
}

}  // namespace perf::monitor
