// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "libperf/monitor/system/system_sampler.hpp"

namespace perf::monitor {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;

/// Adds what is there, and nothing for what is absent.
class Adder {
 public:
  explicit Adder(metrics::Collection& collection) : collection_(collection) {}

  template <typename T>
  void Gauge(const char* name, const char* help, const T& value, Labels labels = {}) const {
    Add(name, help, Type::kGauge, value, std::move(labels));
  }
  template <typename T>
  void Counter(const char* name, const char* help, const T& value, Labels labels = {}) const {
    Add(name, help, Type::kCounter, value, std::move(labels));
  }

 private:
  template <typename T>
  void Add(const char* name, const char* help, Type type, const std::optional<T>& value,
           Labels labels) const {
    if (value) Add(name, help, type, *value, std::move(labels));
  }
  template <typename T>
  void Add(const char* name, const char* help, Type type, const T& value, Labels labels) const {
    FamilySpec spec{name, help, type, "", false};
    for (const char* const unit : {"seconds", "bytes"}) {
      if (metrics::BaseName(spec).ends_with(std::string("_") + unit)) spec.unit = unit;
    }
    collection_.Value(spec, std::move(labels), static_cast<double>(value));
  }
  metrics::Collection& collection_;
};

void AddCpu(const SystemReading& reading, const Adder& add) {
  if (reading.load) {
    constexpr const char* kWindows[] = {"1m", "5m", "15m"};
    for (std::size_t i = 0; i < reading.load->size(); ++i) {
      add.Gauge("perfkit_system_load_average", "Tasks that run or wait, on average.",
                (*reading.load)[i], {{"window", kWindows[i]}});
    }
  }
  if (!reading.cpu) return;
  const CpuReading& cpu = *reading.cpu;
  for (std::size_t i = 0; i < kCpuModes; ++i) {
    add.Counter("perfkit_system_cpu_seconds_total", "Processor time by mode.", cpu.seconds[i],
                {{"mode", std::string(Name(static_cast<CpuMode>(i)))}});
  }
  add.Gauge("perfkit_system_processors", "Processors that are online.", cpu.processors);
  add.Counter("perfkit_system_context_switches_total", "Context switches.", cpu.context_switches);
  add.Counter("perfkit_system_forks_total", "Processes and threads made.", cpu.forks);
  constexpr const char* kProcesses = "Processes by state, now.";
  add.Gauge("perfkit_system_processes", kProcesses, cpu.running, {{"state", "running"}});
  add.Gauge("perfkit_system_processes", kProcesses, cpu.blocked, {{"state", "blocked"}});
  add.Gauge("perfkit_system_boot_time_seconds", "Start of the machine since 1970.", cpu.boot_time);
}

void AddMemory(const SystemReading& reading, const Adder& add) {
  add.Gauge("perfkit_system_open_files", "Open files of all processes.", reading.open_files);
  add.Gauge("perfkit_system_open_files_max", "Most open files.", reading.max_open_files);
  if (!reading.memory) return;
  const MemoryReading& memory = *reading.memory;
  const auto state = [&](const char* name, std::uint64_t bytes) {
    add.Gauge("perfkit_system_memory_bytes", "Memory by state; their sum is all of it.", bytes,
              {{"state", name}});
  };
  state("used", memory.Used());
  state("free", memory.free);
  state("buffers", memory.buffers);
  state("cached", memory.cached);
  add.Gauge("perfkit_system_memory_available_bytes", "What programs can get without swapping.",
            memory.available);
  add.Gauge("perfkit_system_memory_size_bytes", "Memory of the machine.", memory.total);
  constexpr const char* kSwap = "Swap space by state.";
  const std::uint64_t used =
      memory.swap_total > memory.swap_free ? memory.swap_total - memory.swap_free : 0;
  add.Gauge("perfkit_system_swap_bytes", kSwap, used, {{"state", "used"}});
  add.Gauge("perfkit_system_swap_bytes", kSwap, memory.swap_free, {{"state", "free"}});
}

void AddPressure(const SystemReading& reading, const Adder& add) {
  const auto one = [&](const char* resource, const std::optional<PressureReading>& pressure) {
    if (!pressure) return;
    add.Counter("perfkit_system_pressure_waiting_seconds_total",
                "Time in which some task waited for the resource.", pressure->waiting_seconds,
                {{"resource", resource}});
    add.Counter("perfkit_system_pressure_stalled_seconds_total",
                "Time in which all tasks waited for the resource.", pressure->stalled_seconds,
                {{"resource", resource}});
  };
  one("cpu", reading.cpu_pressure);
  one("memory", reading.memory_pressure);
  one("io", reading.io_pressure);
}

void AddDisks(const SystemReading& reading, const Adder& add) {
  for (const DiskReading& disk : reading.disks) {
    const auto both = [&](const char* name, const char* help, auto read, auto written) {
      add.Counter(name, help, read, {{"device", disk.device}, {"direction", "read"}});
      add.Counter(name, help, written, {{"device", disk.device}, {"direction", "write"}});
    };
    both("perfkit_system_disk_bytes_total", "Bytes moved.", disk.read_bytes, disk.written_bytes);
    both("perfkit_system_disk_operations_total", "Operations finished.", disk.reads, disk.writes);
    both("perfkit_system_disk_operation_seconds_total", "Time that operations took, summed.",
         disk.read_seconds, disk.write_seconds);
    const Labels device{{"device", disk.device}};
    add.Counter("perfkit_system_disk_busy_seconds_total", "Time with an operation under way.",
                disk.busy_seconds, device);
    add.Gauge("perfkit_system_disk_pending_operations", "Operations under way.", disk.in_flight,
              device);
  }
  for (const MountReading& mount : reading.mounts) {
    const Labels labels{{"mount", mount.mount}};
    add.Gauge("perfkit_system_filesystem_size_bytes", "Size.", mount.size, labels);
    add.Gauge("perfkit_system_filesystem_free_bytes", "Room, with what root keeps.", mount.free,
              labels);
    add.Gauge("perfkit_system_filesystem_available_bytes", "Room for users other than root.",
              mount.available, labels);
    if (mount.files == 0) continue;
    add.Gauge("perfkit_system_filesystem_files", "Files that it can hold.", mount.files, labels);
    add.Gauge("perfkit_system_filesystem_files_free", "Files that it can still take.",
              mount.files_free, labels);
  }
}

void AddNetworks(const SystemReading& reading, const Adder& add) {
  for (const NetworkReading& network : reading.networks) {
    const auto both = [&](const char* name, const char* help, std::uint64_t received,
                          std::uint64_t sent) {
      add.Counter(name, help, received, {{"device", network.device}, {"direction", "receive"}});
      add.Counter(name, help, sent, {{"device", network.device}, {"direction", "transmit"}});
    };
    both("perfkit_system_network_bytes_total", "Bytes.", network.received_bytes,
         network.sent_bytes);
    both("perfkit_system_network_packets_total", "Packets.", network.received_packets,
         network.sent_packets);
    both("perfkit_system_network_errors_total", "Packets with errors.", network.receive_errors,
         network.send_errors);
    both("perfkit_system_network_dropped_packets_total", "Packets dropped.", network.receive_drops,
         network.send_drops);
  }
}

void AddCgroup(const CgroupReading& cgroup, const Adder& add) {
  add.Counter("perfkit_system_cgroup_cpu_seconds_total", "Processor time of our cgroup.",
              cgroup.cpu_seconds);
  add.Gauge("perfkit_system_cgroup_cpu_limit", "Processors that it may use.", cgroup.cpu_limit);
  add.Counter("perfkit_system_cgroup_cpu_periods_total", "Periods of its limit.", cgroup.periods);
  add.Counter("perfkit_system_cgroup_cpu_throttled_periods_total",
              "Periods in which the limit stopped it.", cgroup.throttled_periods);
  add.Counter("perfkit_system_cgroup_cpu_throttled_seconds_total", "Time that it was stopped.",
              cgroup.throttled_seconds);
  add.Gauge("perfkit_system_cgroup_memory_bytes", "Memory of our cgroup.", cgroup.memory);
  add.Gauge("perfkit_system_cgroup_memory_limit_bytes", "Memory that it may use.",
            cgroup.memory_limit);
  if (!cgroup.events) return;
  const auto event = [&](const char* name, std::uint64_t count) {
    add.Counter("perfkit_system_cgroup_memory_events_total",
                "Times that its memory reached a bound, or was short.", count, {{"event", name}});
  };
  event("low", cgroup.events->low);
  event("high", cgroup.events->high);
  event("max", cgroup.events->max);
  event("oom", cgroup.events->oom);
  event("oom_kill", cgroup.events->oom_kill);
}

/// The names that every Prometheus client library exports.
void AddOwn(const ProcessSnapshot& own, const Adder& add) {
  if (!own.reading) return;
  const ProcessReading& process = *own.reading;
  add.Counter("process_cpu_seconds_total", "Processor time of this process.", process.cpu_seconds);
  add.Gauge("process_resident_memory_bytes", "Resident memory.", process.resident_bytes);
  add.Gauge("process_virtual_memory_bytes", "Virtual memory.", process.virtual_bytes);
  add.Gauge("process_open_fds", "Open file descriptors.", process.open_fds);
  add.Gauge("process_max_fds", "Most open file descriptors.", process.max_fds);
  add.Gauge("process_threads", "Threads.", process.threads);
  add.Gauge("process_start_time_seconds", "Start of the process since 1970.", process.start_time);
}

void AddProcess(const ProcessSnapshot& watched, const Adder& add) {
  const Labels labels{{"process", watched.name}};
  add.Gauge("perfkit_process_up", "1 while the watched process lives.", watched.up ? 1 : 0, labels);
  add.Counter("perfkit_process_restarts_total", "Times that another process took the name.",
              watched.restarts, labels);
  if (!watched.reading) return;
  const ProcessReading& process = *watched.reading;
  add.Counter("perfkit_process_cpu_seconds_total", "Processor time of a watched process.",
              process.cpu_seconds, labels);
  add.Gauge("perfkit_process_resident_memory_bytes", "Its resident memory.", process.resident_bytes,
            labels);
  add.Gauge("perfkit_process_virtual_memory_bytes", "Its virtual memory.", process.virtual_bytes,
            labels);
  add.Gauge("perfkit_process_open_fds", "Its open file descriptors.", process.open_fds, labels);
  add.Gauge("perfkit_process_max_fds", "Most file descriptors that it may open.", process.max_fds,
            labels);
  add.Gauge("perfkit_process_threads", "Its threads.", process.threads, labels);
  add.Gauge("perfkit_process_start_time_seconds", "Its start since 1970.", process.start_time,
            labels);
}

}  // namespace

void AddSystemMetrics(const SystemSnapshot& snapshot, metrics::Collection& collection) {
  const Adder add(collection);
  const SystemReading& reading = snapshot.reading;
  AddCpu(reading, add);
  AddMemory(reading, add);
  AddPressure(reading, add);
  AddDisks(reading, add);
  AddNetworks(reading, add);
  if (reading.cgroup) AddCgroup(*reading.cgroup, add);
  add.Gauge("perfkit_system_devices_left_out", "Disks and network devices above the limit.",
            reading.devices_left_out);
  AddOwn(snapshot.own, add);
  for (const ProcessSnapshot& process : snapshot.processes) AddProcess(process, add);
}

}  // namespace perf::monitor
