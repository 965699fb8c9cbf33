// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/system_rows.hpp"

#include <fmt/format.h>

#include <utility>

namespace perf::service {
namespace {

using report::StatusReading;
using report::StatusRow;
using report::StatusState;
using report::StatusUnit;

StatusReading Reading(const char* name, double value, StatusUnit unit) {
  StatusReading reading;
  reading.name = name;
  reading.value = value;
  reading.unit = unit;
  return reading;
}

StatusRow Row(std::string name) {
  StatusRow row;
  row.area = "system";
  row.name = std::move(name);
  return row;
}

StatusRow HostRow(const monitor::SystemSnapshot& snapshot, const SystemThresholds& thresholds) {
  StatusRow row = Row("host");
  if (const auto cpu = snapshot.rates.cpu_percent) {
    StatusReading reading = Reading("cpu", *cpu / 100, StatusUnit::kRatio);
    if (*cpu > thresholds.cpu_percent) {
      row.state = StatusState::kWarning;
      reading.want = thresholds.cpu_percent / 100;
    }
    row.readings.push_back(std::move(reading));
  }
  if (const auto pressure = snapshot.rates.cpu_pressure_percent) {
    row.readings.push_back(Reading("psi", *pressure / 100, StatusUnit::kRatio));
  }
  if (const auto& memory = snapshot.reading.memory) {
    StatusReading reading = Reading("mem", static_cast<double>(memory->Used()), StatusUnit::kBytes);
    reading.limit = static_cast<double>(memory->total);
    row.readings.push_back(std::move(reading));
  }
  return row;
}

StatusRow ProcessRow(const monitor::ProcessReading& process, const SystemThresholds& thresholds) {
  StatusRow row = Row("process");
  StatusReading memory =
      Reading("mem", static_cast<double>(process.resident_bytes), StatusUnit::kBytes);
  if (process.resident_bytes > thresholds.memory_bytes) {
    row.state = StatusState::kWarning;
    memory.want = static_cast<double>(thresholds.memory_bytes);
  }
  row.readings.push_back(std::move(memory));
  if (process.open_fds && process.max_fds) {
    StatusReading files =
        Reading("files", static_cast<double>(*process.open_fds), StatusUnit::kNone);
    files.limit = static_cast<double>(*process.max_fds);
    row.readings.push_back(std::move(files));
  }
  return row;
}

}  // namespace

std::vector<StatusRow> SystemRows(const monitor::SystemSnapshot& snapshot,
                                  const SystemThresholds& thresholds) {
  std::vector<StatusRow> rows;
  if (snapshot.samples == 0) return rows;
  rows.push_back(HostRow(snapshot, thresholds));
  if (snapshot.own.reading) rows.push_back(ProcessRow(*snapshot.own.reading, thresholds));
  for (const monitor::MountReading& mount : snapshot.reading.mounts) {
    if (mount.UsedRatio() < thresholds.disk_used) continue;
    StatusRow row = Row(mount.mount);
    row.state = StatusState::kCritical;
    StatusReading used = Reading("disk", mount.UsedRatio(), StatusUnit::kRatio);
    used.want = thresholds.disk_used;
    row.readings.push_back(std::move(used));
    rows.push_back(std::move(row));
  }
  return rows;
}

StatusRow FailingRow(const std::string& name, const std::string& why) {
  StatusRow row = Row(name);
  row.state = StatusState::kCritical;
  StatusReading reading;
  reading.name = "failing";
  reading.text = why;
  row.readings.push_back(std::move(reading));
  return row;
}

}  // namespace perf::service
