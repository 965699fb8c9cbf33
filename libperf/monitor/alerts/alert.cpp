// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/alert.hpp"

#include <array>

#include "libperf/base/utc.hpp"

namespace perf::monitor::alerts {
namespace {

constexpr std::array<std::string_view, 4> kStates{"inactive", "pending", "firing", "resolved"};

Json TimeOrNull(WallTime time) { return time == WallTime{} ? Json() : Json(ToRfc3339(time)); }

Json LabelsJson(const Labels& labels) {
  Json object = Json::MakeObject();
  for (const auto& [name, value] : labels) object[name] = value;
  return object;
}

}  // namespace

std::string_view Name(AlertState state) noexcept {
  return kStates[static_cast<std::size_t>(state)];
}

std::string Identity(const Alert& alert) { return alert.name + ToText(alert.labels); }

Json ToJson(const Alert& alert) {
  Json json = Json::MakeObject();
  json["name"] = alert.name;
  json["labels"] = LabelsJson(alert.labels);
  json["state"] = Name(alert.state);
  json["level"] = alert.level == Level::kOk ? Name(alert.pending) : Name(alert.level);
  json["unknown"] = alert.unknown;
  json["value"] = alert.value ? Json(*alert.value) : Json();
  json["measured"] = alert.measured;
  json["active_at"] = TimeOrNull(alert.active_at);
  json["fired_at"] = TimeOrNull(alert.fired_at);
  json["resolved_at"] = TimeOrNull(alert.resolved_at);
  json["changed_at"] = TimeOrNull(alert.changed_at);
  json["summary"] = alert.summary;
  json["description"] = alert.description;
  json["runbook_url"] = alert.runbook_url;
  json["silenced_by"] = alert.silenced_by.empty() ? Json() : Json(alert.silenced_by);
  json["inhibited_by"] = alert.inhibited_by.empty() ? Json() : Json(alert.inhibited_by);
  return json;
}

Json ToJson(const Transition& transition) {
  Json json = Json::MakeObject();
  json["at"] = ToRfc3339(transition.at);
  json["name"] = transition.name;
  json["labels"] = LabelsJson(transition.labels);
  json["from"] = Name(transition.from);
  json["to"] = Name(transition.to);
  json["from_level"] = Name(transition.from_level);
  json["to_level"] = Name(transition.to_level);
  json["value"] = transition.value ? Json(*transition.value) : Json();
  json["hidden"] = transition.hidden;
  return json;
}

}  // namespace perf::monitor::alerts
