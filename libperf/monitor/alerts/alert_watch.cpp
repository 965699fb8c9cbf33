// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/alert_watch.hpp"

#include <utility>

#include "libperf/base/log.hpp"
#include "libperf/base/utc.hpp"

namespace perf::monitor::alerts {

AlertWatch::AlertWatch(RuleSet rules, EngineOptions options, std::unique_ptr<Notifier> notifier)
    : engine_(std::move(rules), options), notifier_(std::move(notifier)) {}
AlertWatch::~AlertWatch() = default;

std::vector<Transition> AlertWatch::Sample(const metrics::MetricsSnapshot& snapshot, WallTime now) {
  std::vector<Transition> changes;
  std::vector<Alert> alerts;
  {
    const std::lock_guard lock(mutex_);
    if (engine_.EvaluatedAt() - now > engine_.Options().interval) SetBack(now);
    engine_.Observe(now, snapshot);
    const WallTime last = engine_.EvaluatedAt();
    // A tenth early rather than a whole sample late.
    if (last != WallTime{} && now - last < engine_.Options().interval * 9 / 10) return changes;
    changes = engine_.Evaluate(now);
    if (notifier_) alerts = engine_.Alerts();
  }
  for (const Transition& change : changes) {
    Log(LogLevel::kInfo, "alert {}{} {} {} -> {} {}", change.name, ToText(change.labels),
        Name(change.from), Name(change.from_level), Name(change.to), Name(change.to_level));
  }
  if (notifier_) notifier_->Update(std::move(alerts), now);
  return changes;
}

void AlertWatch::SetBack(WallTime now) {
  const WallTime before = engine_.EvaluatedAt();
  Log(LogLevel::kWarn,
      "alerts: the clock was set back from {} to {}: alerts stay, windows of samples begin anew",
      ToRfc3339(before), ToRfc3339(now));
  Engine anew(engine_.Rules(), engine_.Options());
  anew.Restore(engine_.Save(before), now);
  // By their own times, also where an end lies further ahead now than a new one's may.
  anew.Quiet() = engine_.Quiet();
  engine_ = std::move(anew);
}

void AlertWatch::Reload(RuleSet rules) {
  const std::lock_guard lock(mutex_);
  engine_.Reload(std::move(rules));
}

void AlertWatch::Retire(const std::vector<Matcher>& matchers) {
  const std::lock_guard lock(mutex_);
  engine_.Retire(matchers);
}

std::vector<ActiveAlert> AlertWatch::ActiveAlerts() const {
  std::vector<ActiveAlert> active;
  for (const Alert& alert : Alerts()) {
    if (alert.state != AlertState::kFiring || alert.Hidden()) continue;
    const std::string& text = alert.summary.empty() ? alert.measured : alert.summary;
    active.push_back({alert.name, alert.level, alert.labels, text});
  }
  return active;
}

std::vector<Alert> AlertWatch::Alerts() const {
  const std::lock_guard lock(mutex_);
  return engine_.Alerts();
}

Level AlertWatch::Worst() const {
  const std::lock_guard lock(mutex_);
  return engine_.Worst();
}

WallTime AlertWatch::EvaluatedAt() const {
  const std::lock_guard lock(mutex_);
  return engine_.EvaluatedAt();
}

Json AlertWatch::Document() const {
  Json json = Json::MakeObject();
  const std::lock_guard lock(mutex_);
  json["schema"] = "perfkit.alerts-view/1";
  const WallTime at = engine_.EvaluatedAt();
  json["evaluated_at"] = at == WallTime{} ? Json() : Json(ToRfc3339(at));
  json["worst"] = Name(engine_.Worst());
  Json alerts = Json::MakeArray();
  for (const Alert& alert : engine_.Alerts()) alerts.Append(ToJson(alert));
  json["alerts"] = std::move(alerts);
  json["silences"] = engine_.Quiet().Save();
  return json;
}

std::string AlertWatch::AddSilence(Silence silence, WallTime now) {
  const std::lock_guard lock(mutex_);
  return engine_.Quiet().Add(std::move(silence), now);
}

bool AlertWatch::ExpireSilence(std::string_view id, WallTime now) {
  const std::lock_guard lock(mutex_);
  return engine_.Quiet().Expire(id, now);
}

Json AlertWatch::Save(WallTime now) const {
  const std::lock_guard lock(mutex_);
  return engine_.Save(now);
}

void AlertWatch::Restore(const Json& saved, WallTime now) {
  const std::lock_guard lock(mutex_);
  engine_.Restore(saved, now);
}

void AlertWatch::AddMetrics(metrics::Collection& collection) const {
  {
    const std::lock_guard lock(mutex_);
    engine_.AddMetrics(collection);
  }
  if (notifier_) notifier_->AddMetrics(collection);
}

}  // namespace perf::monitor::alerts
