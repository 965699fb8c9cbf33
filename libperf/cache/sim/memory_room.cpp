// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/sim/memory_room.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"

namespace perf::cache {

namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

/// The number in a file of one number ("max" and what is not there: unknown).
std::uint64_t NumberIn(const char* path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? value : kUnknown;
}

std::uint64_t MachineHas() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (std::uint64_t kib = 0; file >> name >> kib; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kib * 1024;
  }
  return kUnknown;
}

std::uint64_t GroupHas() {
  const std::uint64_t most = NumberIn("/sys/fs/cgroup/memory.max");
  const std::uint64_t used = NumberIn("/sys/fs/cgroup/memory.current");
  if (most == kUnknown || used == kUnknown) return kUnknown;
  return most > used ? most - used : 0;
}

}  // namespace

std::uint64_t MemoryRoom() {
  const std::uint64_t room = std::min(MachineHas(), GroupHas());
  return room == kUnknown ? 0 : room / 4 * 3;
}

void RequireMemory(const std::string& who, std::uint64_t needs, std::uint64_t limit) {
  if (limit == 0) limit = MemoryRoom();
  if (limit == 0 || needs <= limit) return;
  throw ConfigError(fmt::format("{} would need {} of memory; {} may be used", who,
                                FormatBytes(needs), FormatBytes(limit)));
}

}  // namespace perf::cache
