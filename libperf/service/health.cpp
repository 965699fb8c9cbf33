// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/units.hpp"
#include "libperf/base/url.hpp"

namespace perf::service {
namespace {

bool Belongs(HealthRole role, HealthBoard::Group group) noexcept {
  switch (group) {
    case HealthBoard::Group::kLive: return role.live && !role.target;
    case HealthBoard::Group::kReady: return role.ready && !role.target;
    case HealthBoard::Group::kAll: break;
  }
  return true;
}

}  // namespace

std::string_view Name(HealthStatus status) noexcept {
  switch (status) {
    case HealthStatus::kUp: return "UP";
    case HealthStatus::kOutOfService: return "OUT_OF_SERVICE";
    case HealthStatus::kDown: return "DOWN";
    case HealthStatus::kUnknown: break;
  }
  return "UNKNOWN";
}

int HttpStatus(HealthStatus status) noexcept {
  return status >= HealthStatus::kOutOfService ? 503 : 200;
}

ComponentHealth Heartbeat::Check(TimePoint now) const {
  const TimePoint last{Duration(last_.load(std::memory_order_relaxed))};
  if (last == TimePoint{}) return {HealthStatus::kUnknown, "no turn yet"};
  if (now - last <= 3 * interval_) return {};
  return {HealthStatus::kDown, fmt::format("no turn for {}; one is due every {}",
                                           FormatDuration(now - last), FormatDuration(interval_))};
}

void HealthBoard::Add(std::string name, HealthRole role, Check check) {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : entries_) {
    if (entry->name == name) throw Error(fmt::format("health check '{}' exists already", name));
  }
  entries_.push_back(std::make_shared<const Entry>(Entry{std::move(name), role, std::move(check)}));
}

void HealthBoard::Remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& entry) { return entry->name == name; });
}

HealthBoard::Report HealthBoard::Ask(Group group, TimePoint now) const {
  std::vector<std::shared_ptr<const Entry>> entries;
  {
    const std::lock_guard lock(mutex_);
    entries = entries_;
  }
  Report report;
  Json checks = Json::MakeArray();
  for (const auto& entry : entries) {
    if (!Belongs(entry->role, group)) continue;
    ComponentHealth health;
    try {
      health = entry->check(now);
    } catch (...) {
      health = {HealthStatus::kDown, MaskSecrets(ThrownText())};
    }
    if (!entry->role.target) report.status = std::max(report.status, health.status);
    Json line = Json::MakeObject();
    line["name"] = entry->name;
    line["status"] = Name(health.status);
    if (entry->role.target) line["target"] = true;
    if (!health.detail.empty()) line["detail"] = health.detail;
    checks.Append(std::move(line));
  }
  report.body["status"] = Name(report.status);
  report.body["checks"] = std::move(checks);
  return report;
}

}  // namespace perf::service
