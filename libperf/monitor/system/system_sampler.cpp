// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/system/system_sampler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/monitor/system/process_reader.hpp"

namespace perf::monitor {
namespace {

constexpr std::size_t kMostProcesses = 64;
constexpr std::size_t kMostName = 64;

double Seconds(Duration time) noexcept { return static_cast<double>(time.count()) / 1e9; }

/// What a total grew by a second; nothing where it is absent or went back, as after a wrap or when
/// a device was plugged in anew.
std::optional<double> Rate(std::optional<double> before, std::optional<double> now,
                           double seconds) noexcept {
  if (!before || !now || *now < *before || seconds <= 0) return std::nullopt;
  return (*now - *before) / seconds;
}

std::optional<double> Times100(std::optional<double> share) noexcept {
  if (!share) return std::nullopt;
  return std::min(100.0, *share * 100);
}

void CpuRates(const SystemReading& before, const SystemReading& now, double seconds,
              SystemRates& rates) {
  if (!before.cpu || !now.cpu) return;
  const double all = now.cpu->Total() - before.cpu->Total();
  const auto share = [&](double from, double to) -> std::optional<double> {
    if (all <= 0) return std::nullopt;
    return std::clamp((to - from) / all, 0.0, 1.0) * 100;
  };
  const auto mode = [&](CpuMode which) {
    const auto at = static_cast<std::size_t>(which);
    return share(before.cpu->seconds[at], now.cpu->seconds[at]);
  };
  const std::optional<double> idle = share(before.cpu->Idle(), now.cpu->Idle());
  if (idle) rates.cpu_percent = 100 - *idle;
  rates.iowait_percent = mode(CpuMode::kIowait);
  rates.steal_percent = mode(CpuMode::kSteal);
  rates.context_switches = Rate(static_cast<double>(before.cpu->context_switches),
                                static_cast<double>(now.cpu->context_switches), seconds);
}

template <typename T>
const T* SameDevice(const std::vector<T>& list, const T& wanted, std::size_t likely) {
  if (likely < list.size() && list[likely].device == wanted.device) return &list[likely];
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const T& each) { return each.device == wanted.device; });
  return found == list.end() ? nullptr : &*found;
}

void AddTo(std::optional<double>& sum, std::optional<double> more) {
  if (more) sum = sum.value_or(0) + *more;
}

void DeviceRates(const SystemReading& before, const SystemReading& now, double seconds,
                 SystemRates& rates) {
  const auto rate = [&](std::uint64_t from, std::uint64_t to) {
    return Rate(static_cast<double>(from), static_cast<double>(to), seconds);
  };
  for (std::size_t i = 0; i < now.disks.size(); ++i) {
    const DiskReading& disk = now.disks[i];
    const DiskReading* const old = SameDevice(before.disks, disk, i);
    // What is built of other disks would be counted twice.
    if (old == nullptr || disk.device.starts_with("dm-") || disk.device.starts_with("md")) continue;
    AddTo(rates.disk_read_bytes, rate(old->read_bytes, disk.read_bytes));
    AddTo(rates.disk_written_bytes, rate(old->written_bytes, disk.written_bytes));
    const auto busy = Times100(Rate(old->busy_seconds, disk.busy_seconds, seconds));
    if (busy) rates.disk_busy_percent = std::max(rates.disk_busy_percent.value_or(0), *busy);
  }
  for (std::size_t i = 0; i < now.networks.size(); ++i) {
    const NetworkReading& network = now.networks[i];
    const NetworkReading* const old = SameDevice(before.networks, network, i);
    if (old == nullptr || network.device == "lo") continue;
    AddTo(rates.received_bytes, rate(old->received_bytes, network.received_bytes));
    AddTo(rates.sent_bytes, rate(old->sent_bytes, network.sent_bytes));
  }
}

std::optional<double> Waited(const std::optional<PressureReading>& before,
                             const std::optional<PressureReading>& now, double seconds) {
  if (!before || !now) return std::nullopt;
  return Times100(Rate(before->waiting_seconds, now->waiting_seconds, seconds));
}

void RatesOf(const SystemReading& before, const SystemReading& now, Duration window,
             SystemRates& rates) {
  const double seconds = Seconds(window);
  rates = {};
  rates.window = window;
  CpuRates(before, now, seconds, rates);
  DeviceRates(before, now, seconds, rates);
  rates.cpu_pressure_percent = Waited(before.cpu_pressure, now.cpu_pressure, seconds);
  rates.memory_pressure_percent = Waited(before.memory_pressure, now.memory_pressure, seconds);
  rates.io_pressure_percent = Waited(before.io_pressure, now.io_pressure, seconds);
  if (!before.cgroup || !now.cgroup || !now.cgroup->periods || !before.cgroup->periods) return;
  const double periods =
      static_cast<double>(*now.cgroup->periods) - static_cast<double>(*before.cgroup->periods);
  if (!now.cgroup->throttled_periods || !before.cgroup->throttled_periods) return;
  rates.throttled_percent =
      Times100(Rate(static_cast<double>(*before.cgroup->throttled_periods),
                    static_cast<double>(*now.cgroup->throttled_periods), periods));
}

/// One process with what its rate is taken against.
struct Watched {
  Watched(const std::string& root, int pid) : reader(root, pid) {}
  ProcessReader reader;
  std::uint64_t restarts = 0;
  std::optional<double> base_cpu;

  void Read(const SystemReading& system, bool new_base, double seconds, ProcessSnapshot& into) {
    into.reading = reader.Read(system.cpu ? std::optional<std::uint64_t>(system.cpu->boot_time)
                                          : std::nullopt);
    into.up = into.reading.has_value();
    into.restarts = restarts;
    if (!into.reading) {
      base_cpu.reset();
      into.cpu_percent.reset();
      return;
    }
    if (!new_base) return;
    const auto rate = Rate(base_cpu, into.reading->cpu_seconds, seconds);
    into.cpu_percent = rate ? std::optional<double>(*rate * 100) : std::nullopt;
    base_cpu = into.reading->cpu_seconds;
  }
};

}  // namespace

struct SystemSampler::State {
  State(SystemOptions given, Duration window)
      : options(std::move(given)), min_window(window), reader(options), own(options.root, 0) {
    latest.own.name = "self";
  }
  void Sample(TimePoint now);

  const SystemOptions options;
  const Duration min_window;
  mutable std::mutex mutex;
  SystemReader reader;
  Watched own;
  std::map<std::string, Watched> processes;
  SystemReading base;  // what rates are taken against
  TimePoint base_at{};
  SystemSnapshot latest;
};

void SystemSampler::State::Sample(TimePoint now) {
  reader.Read(latest.reading);
  const Duration passed = now - base_at;
  const bool first = latest.samples == 0;
  const bool new_base = first || passed >= min_window;
  if (new_base) {
    if (!first) RatesOf(base, latest.reading, passed, latest.rates);
    base = latest.reading;
    base_at = now;
  }
  own.Read(latest.reading, new_base, Seconds(passed), latest.own);
  latest.processes.resize(processes.size());
  auto into = latest.processes.begin();
  for (auto& [name, watched] : processes) {
    if (into->name != name) *into = ProcessSnapshot{name, false, 0, {}, {}};
    watched.Read(latest.reading, new_base, Seconds(passed), *into++);
  }
  latest.at = now;
  ++latest.samples;
}

SystemSampler::SystemSampler(SystemOptions options, Duration min_window)
    : state_(std::make_unique<State>(std::move(options), min_window)) {}

SystemSampler::~SystemSampler() = default;

void SystemSampler::SetProcess(const std::string& name, int pid) {
  if (name.empty() || name.size() > kMostName) {
    throw Error(fmt::format("a watched process needs a name of 1 to {} bytes", kMostName));
  }
  if (pid <= 0) throw Error(fmt::format("process {:?}: {} is no process number", name, pid));
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->processes.find(name);
  if (found == state_->processes.end() && state_->processes.size() >= kMostProcesses) {
    throw Error(fmt::format("at most {} processes can be watched", kMostProcesses));
  }
  const std::uint64_t restarts = found == state_->processes.end() ? 0 : found->second.restarts + 1;
  Watched watched(state_->options.root, pid);
  watched.restarts = restarts;
  state_->processes.insert_or_assign(name, std::move(watched));
}

void SystemSampler::RemoveProcess(const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  state_->processes.erase(name);
}

void SystemSampler::Sample(TimePoint now) {
  const std::lock_guard lock(state_->mutex);
  state_->Sample(now);
}

SystemSnapshot SystemSampler::Latest() const {
  const std::lock_guard lock(state_->mutex);
  return state_->latest;
}

metrics::Registry::Registration SystemSampler::RegisterMetrics(metrics::Registry& registry,
                                                               Duration max_age) {
  return registry.Collect("system", [this, max_age](metrics::Collection& collection) {
    SystemSnapshot snapshot;
    {
      const std::lock_guard lock(state_->mutex);
      const TimePoint now = Clock::now();
      if (state_->latest.samples == 0 || now - state_->latest.at >= max_age) state_->Sample(now);
      snapshot = state_->latest;
    }
    AddSystemMetrics(snapshot, collection);
  });
}

}  // namespace perf::monitor
