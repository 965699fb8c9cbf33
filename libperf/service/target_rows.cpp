// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/target_rows.hpp"

#include <utility>

#include "libperf/base/clock.hpp"
#include "libperf/base/url.hpp"

namespace perf::service {
namespace {

using monitor::WatchKind;
using monitor::WatchStatus;

void Add(monitor::Watcher& watcher, std::string name, WatchKind kind, const std::string& url) {
  if (url.empty()) return;
  monitor::WatchTarget target;
  target.name = std::move(name);
  target.kind = kind;
  target.url = url;
  watcher.Add(target);
}

}  // namespace

void AddTargets(const AgentConfig& config, monitor::Watcher& watcher) {
  Add(watcher, "database", WatchKind::kPostgres, config.database_url);
  Add(watcher, "redis", WatchKind::kRedis, config.redis_url);
  Add(watcher, "speech", WatchKind::kHttp, config.speech_url);
  for (const std::string& url : config.scrape) {
    Add(watcher, Url::Parse(url).Authority(), WatchKind::kScrape, url);
  }
}

std::vector<report::StatusRow> TargetRows(const std::vector<WatchStatus>& targets) {
  std::vector<report::StatusRow> rows;
  for (const WatchStatus& target : targets) {
    report::StatusRow row;
    row.area = "targets";
    row.name = target.name;
    report::StatusReading reading;
    if (target.state == WatchStatus::State::kDown) {
      row.state = report::StatusState::kCritical;
      reading.name = "down";
      reading.text = target.reason;
    } else if (target.state == WatchStatus::State::kUp) {
      reading.name = "answers in";
      reading.unit = report::StatusUnit::kSeconds;
      reading.value = ToMs(target.latency) / 1e3;
    } else {
      reading.text = "not asked yet";
    }
    row.readings.push_back(std::move(reading));
    rows.push_back(std::move(row));
  }
  return rows;
}

ComponentHealth TargetHealth(const std::vector<WatchStatus>& targets, const std::string& name) {
  for (const WatchStatus& target : targets) {
    if (target.name != name) continue;
    if (target.state == WatchStatus::State::kUp) return {};
    if (target.state == WatchStatus::State::kDown) return {HealthStatus::kDown, target.reason};
  }
  return {HealthStatus::kUnknown, "not asked yet"};
}

}  // namespace perf::service
