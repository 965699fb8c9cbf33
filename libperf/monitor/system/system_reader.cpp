// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/system/system_reader.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libperf/monitor/system/scan.hpp"

namespace perf::monitor {
namespace {

constexpr std::uint64_t kSector = 512;  // of diskstats, whatever the device's is

double TickSeconds() noexcept {
  static const double seconds = 1.0 / static_cast<double>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  return seconds;
}

/// The next place of a list that is filled anew: what it held is used again.
template <typename T>
T& Next(std::vector<T>& list, std::size_t& used) {
  if (used == list.size()) list.emplace_back();
  return list[used++];
}

bool StartsWithAny(std::string_view name, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

/// The kernel lists a disk before its partitions: sda, sda1; nvme0n1, nvme0n1p1.
bool IsPartition(std::string_view name, std::string_view disk) noexcept {
  if (disk.empty() || !name.starts_with(disk) || name.size() == disk.size()) return false;
  name.remove_prefix(disk.size());
  if (name.front() == 'p') name.remove_prefix(1);
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> OneNumber(std::string_view text) noexcept {
  return Scan(text).Number();
}

}  // namespace

std::string FindCgroup(const std::string& root) {
  std::vector<char> buffer;
  Scan lines(ProcFile(root + "/proc/self/cgroup").Read(buffer));
  std::string own;
  while (!lines.AtEnd()) {
    const std::string_view line = lines.Line();
    if (line.starts_with("0::/")) own = line.substr(3);
  }
  if (own.empty()) return {};
  if (own == "/") own.clear();
  // In a container the path may be that of the host: its root is ours there.
  for (const char* const mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    for (const std::string& path : {own, std::string()}) {
      const std::string directory = root + mount + path;
      if (::access((directory + "/cgroup.controllers").c_str(), R_OK) == 0) return directory;
    }
  }
  return {};
}

SystemReader::SystemReader(const SystemOptions& options)
    : options_(options),
      stat_(options.root + "/proc/stat"),
      meminfo_(options.root + "/proc/meminfo"),
      loadavg_(options.root + "/proc/loadavg"),
      diskstats_(options.root + "/proc/diskstats"),
      net_dev_(options.root + "/proc/net/dev"),
      file_nr_(options.root + "/proc/sys/fs/file-nr"),
      cpu_pressure_(options.root + "/proc/pressure/cpu"),
      memory_pressure_(options.root + "/proc/pressure/memory"),
      io_pressure_(options.root + "/proc/pressure/io"),
      cgroup_(FindCgroup(options.root)),
      cpu_stat_(cgroup_.empty() ? "" : cgroup_ + "/cpu.stat"),
      cpu_max_(cgroup_.empty() ? "" : cgroup_ + "/cpu.max"),
      memory_current_(cgroup_.empty() ? "" : cgroup_ + "/memory.current"),
      memory_max_(cgroup_.empty() ? "" : cgroup_ + "/memory.max"),
      memory_events_(cgroup_.empty() ? "" : cgroup_ + "/memory.events") {}

void SystemReader::Read(SystemReading& into) {
  into.devices_left_out = 0;
  ReadCpu(into);
  ReadMemory(into);
  ReadLoad(into);
  ReadFiles(into);
  ReadDisks(into);
  ReadMounts(into);
  ReadNetworks(into);
  into.cpu_pressure = ReadPressure(cpu_pressure_);
  into.memory_pressure = ReadPressure(memory_pressure_);
  into.io_pressure = ReadPressure(io_pressure_);
  ReadCgroup(into);
}

void SystemReader::ReadCpu(SystemReading& into) {
  into.cpu.reset();
  Scan lines(stat_.Read(buffer_));
  CpuReading cpu;
  bool found = false;
  while (!lines.AtEnd()) {
    Scan line(lines.Line());
    const std::string_view key = line.Word();
    if (key == "cpu") {
      found = true;
      for (double& seconds : cpu.seconds) {
        seconds = static_cast<double>(line.NumberOr0()) * TickSeconds();
      }
    } else if (key.starts_with("cpu")) {
      ++cpu.processors;
    } else if (key == "ctxt") {
      cpu.context_switches = line.NumberOr0();
    } else if (key == "btime") {
      cpu.boot_time = line.NumberOr0();
    } else if (key == "processes") {
      cpu.forks = line.NumberOr0();
    } else if (key == "procs_running") {
      cpu.running = line.NumberOr0();
    } else if (key == "procs_blocked") {
      cpu.blocked = line.NumberOr0();
      break;  // what follows are interrupts, a long line
    }
  }
  if (found) into.cpu = cpu;
}

void SystemReader::ReadMemory(SystemReading& into) {
  into.memory.reset();
  Scan lines(meminfo_.Read(buffer_));
  MemoryReading memory;
  std::optional<std::uint64_t> available;
  const std::pair<std::string_view, std::uint64_t*> plain[] = {
      {"MemTotal:", &memory.total},     {"MemFree:", &memory.free},
      {"Buffers:", &memory.buffers},    {"SwapTotal:", &memory.swap_total},
      {"SwapFree:", &memory.swap_free},
  };
  while (!lines.AtEnd()) {
    Scan line(lines.Line());
    const std::string_view key = line.Word();
    const auto kibibytes = [&] { return line.NumberOr0() * 1024; };
    if (key == "MemAvailable:") available = kibibytes();
    if (key == "Cached:" || key == "SReclaimable:") memory.cached += kibibytes();
    for (const auto& [name, value] : plain) {
      if (key == name) *value = kibibytes();
    }
  }
  if (memory.total == 0) return;
  // Before Linux 3.14 the kernel did not say; this is the usual guess.
  memory.available =
      available.value_or(std::min(memory.total, memory.free + memory.buffers + memory.cached));
  into.memory = memory;
}

void SystemReader::ReadLoad(SystemReading& into) {
  into.load.reset();
  Scan words(loadavg_.Read(buffer_));
  std::array<double, 3> load{};
  for (double& value : load) {
    const std::optional<double> read = words.Real();
    if (!read) return;
    value = *read;
  }
  into.load = load;
}

void SystemReader::ReadFiles(SystemReading& into) {
  Scan words(file_nr_.Read(buffer_));
  into.open_files = words.Number();
  words.Skip(1);
  into.max_open_files = words.Number();
}

void SystemReader::ReadDisks(SystemReading& into) {
  std::size_t used = 0;
  char disk[64] = "";
  std::size_t disk_size = 0;
  Scan lines(diskstats_.Read(buffer_));
  while (!lines.AtEnd()) {
    Scan line(lines.Line());
    line.Skip(2);
    const std::string_view name = line.Word();
    if (name.empty() || name.size() >= sizeof disk || StartsWithAny(name, {"loop", "ram"}) ||
        IsPartition(name, {disk, disk_size})) {
      continue;
    }
    disk_size = name.copy(disk, sizeof disk);
    if (used >= options_.max_devices) {
      ++into.devices_left_out;
      continue;
    }
    DiskReading& reading = Next(into.disks, used);
    reading.device = name;
    reading.reads = line.NumberOr0();
    line.Skip(1);
    reading.read_bytes = line.NumberOr0() * kSector;
    reading.read_seconds = static_cast<double>(line.NumberOr0()) / 1e3;
    reading.writes = line.NumberOr0();
    line.Skip(1);
    reading.written_bytes = line.NumberOr0() * kSector;
    reading.write_seconds = static_cast<double>(line.NumberOr0()) / 1e3;
    reading.in_flight = line.NumberOr0();
    reading.busy_seconds = static_cast<double>(line.NumberOr0()) / 1e3;
  }
  into.disks.resize(used);
}

void SystemReader::ReadMounts(SystemReading& into) const {
  std::size_t used = 0;
  for (const std::string& mount : options_.mounts) {
    struct statvfs room{};
    if (::statvfs(mount.c_str(), &room) != 0) continue;
    MountReading& reading = Next(into.mounts, used);
    reading.mount = mount;
    reading.size = room.f_blocks * room.f_frsize;
    reading.free = room.f_bfree * room.f_frsize;
    reading.available = room.f_bavail * room.f_frsize;
    reading.files = room.f_files;
    reading.files_free = room.f_ffree;
  }
  into.mounts.resize(used);
}

void SystemReader::ReadNetworks(SystemReading& into) {
  std::size_t used = 0;
  Scan lines(net_dev_.Read(buffer_));
  while (!lines.AtEnd()) {
    const std::string_view line = lines.Line();
    const std::size_t colon = line.rfind(':');  // an alias has one in its name
    if (colon == std::string_view::npos) continue;
    const std::string_view name = Scan(line.substr(0, colon)).Word();
    if (used >= options_.max_devices) {
      ++into.devices_left_out;
      continue;
    }
    NetworkReading& reading = Next(into.networks, used);
    Scan words(line.substr(colon + 1));
    reading.device = name;
    reading.received_bytes = words.NumberOr0();
    reading.received_packets = words.NumberOr0();
    reading.receive_errors = words.NumberOr0();
    reading.receive_drops = words.NumberOr0();
    words.Skip(4);
    reading.sent_bytes = words.NumberOr0();
    reading.sent_packets = words.NumberOr0();
    reading.send_errors = words.NumberOr0();
    reading.send_drops = words.NumberOr0();
  }
  into.networks.resize(used);
}

std::optional<PressureReading> SystemReader::ReadPressure(ProcFile& file) {
  Scan lines(file.Read(buffer_));
  std::optional<PressureReading> pressure;
  while (!lines.AtEnd()) {
    const std::string_view line = lines.Line();
    const std::size_t total = line.find("total=");
    if (total == std::string_view::npos) continue;
    const std::optional<std::uint64_t> microseconds = OneNumber(line.substr(total + 6));
    if (!microseconds) continue;
    const double seconds = static_cast<double>(*microseconds) / 1e6;
    if (line.starts_with("some ")) pressure.emplace().waiting_seconds = seconds;
    if (line.starts_with("full ") && pressure) pressure->stalled_seconds = seconds;
  }
  return pressure;
}

void SystemReader::ReadCgroup(SystemReading& into) {
  into.cgroup.reset();
  if (cgroup_.empty()) return;
  CgroupReading& cgroup = into.cgroup.emplace();
  for (Scan lines(cpu_stat_.Read(buffer_)); !lines.AtEnd();) {
    Scan line(lines.Line());
    const std::string_view key = line.Word();
    const std::optional<std::uint64_t> value = line.Number();
    if (!value) continue;
    if (key == "usage_usec") cgroup.cpu_seconds = static_cast<double>(*value) / 1e6;
    if (key == "nr_periods") cgroup.periods = *value;
    if (key == "nr_throttled") cgroup.throttled_periods = *value;
    if (key == "throttled_usec") cgroup.throttled_seconds = static_cast<double>(*value) / 1e6;
  }
  Scan limit(cpu_max_.Read(buffer_));  // "max 100000" or "200000 100000"
  const std::optional<double> quota = limit.Real();
  const std::optional<double> period = limit.Real();
  if (quota && period && *period > 0) cgroup.cpu_limit = *quota / *period;
  cgroup.memory = OneNumber(memory_current_.Read(buffer_));
  cgroup.memory_limit = OneNumber(memory_max_.Read(buffer_));
  for (Scan lines(memory_events_.Read(buffer_)); !lines.AtEnd();) {
    Scan line(lines.Line());
    const std::string_view key = line.Word();
    const std::optional<std::uint64_t> value = line.Number();
    if (!value) continue;
    if (!cgroup.events) cgroup.events.emplace();
    if (key == "low") cgroup.events->low = *value;
    if (key == "high") cgroup.events->high = *value;
    if (key == "max") cgroup.events->max = *value;
    if (key == "oom") cgroup.events->oom = *value;
    if (key == "oom_kill") cgroup.events->oom_kill = *value;
  }
}

}  // namespace perf::monitor
