// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/monitor/alerts/engine_parts.hpp"

namespace perf::monitor::alerts {
namespace {

constexpr std::string_view kSchema = "perfkit.alerts/1";

Json TimeJson(WallTime time) { return Json(std::int64_t{time.time_since_epoch().count()}); }

Json LabelsJson(const Labels& labels) {
  Json object = Json::MakeObject();
  for (const auto& [name, value] : labels) object[name] = value;
  return object;
}

Json AlertJson(const std::string& name, const Labels& series, const Tracked& alert) {
  Json json = Json::MakeObject();
  json["name"] = name;
  json["series"] = LabelsJson(series);
  json["labels"] = LabelsJson(alert.labels);
  json["state"] = Name(alert.state);
  json["level"] = LabelValue(alert.level);
  json["value"] = alert.value ? Json(*alert.value) : Json();
  json["known_at"] = TimeJson(alert.known_at);
  json["resolved_at"] = TimeJson(alert.resolved_at);
  json["changed_at"] = TimeJson(alert.changed_at);
  Json& levels = json["levels"] = Json::MakeArray();
  for (std::size_t i = 0; i < alert.levels.size(); ++i) {
    const LevelMachine& machine = alert.levels[i];
    if (machine.state == AlertState::kInactive) continue;
    Json one = Json::MakeObject();
    one["level"] = LabelValue(static_cast<Level>(i));
    one["state"] = Name(machine.state);
    one["active_at"] = TimeJson(machine.active_at);
    one["fired_at"] = TimeJson(machine.fired_at);
    one["ok_since"] = TimeJson(machine.ok_since);
    levels.Append(std::move(one));
  }
  return json;
}

/// Reads members and says which one is wrong.
class StateReader {
 public:
  explicit StateReader(const Json& json) : json_(json) {}

  const Json& Member(std::string_view name) const {
    const Json* member = json_.Find(name);
    if (member == nullptr) Fail(name);
    return *member;
  }
  std::string Text(std::string_view name) const {
    const Json& member = Member(name);
    if (!member.IsString()) Fail(name);
    return member.AsString();
  }
  WallTime Time(std::string_view name) const {
    const Json& member = Member(name);
    // Beyond the year 5000 sums with other times could overflow.
    if (!member.IsInt() || member.AsInt() < 0 || member.AsInt() > 95'617'584'000'000) Fail(name);
    return WallTime(Millis(member.AsInt()));
  }
  Labels LabelsOf(std::string_view name) const {
    const Json& member = Member(name);
    if (!member.IsObject()) Fail(name);
    Labels labels;
    for (const auto& [label, value] : member.AsObject()) {
      if (!value.IsString()) Fail(name);
      labels.emplace_back(label, value.AsString());
    }
    std::sort(labels.begin(), labels.end());
    return labels;
  }
  AlertState State(std::string_view name) const {
    const std::string text = Text(name);
    for (const AlertState state : {AlertState::kInactive, AlertState::kPending, AlertState::kFiring,
                                   AlertState::kResolved}) {
      if (text == Name(state)) return state;
    }
    Fail(name);
  }
  Level LevelOf(std::string_view name) const {
    const auto level = ParseLevel(Text(name));
    if (!level) Fail(name);
    return *level;
  }
  [[noreturn]] static void Fail(std::string_view name) {
    throw ConfigError(
        fmt::format("the saved state of alerts is damaged at '{}': remove it to begin anew", name));
  }

 private:
  const Json& json_;
};

struct Saved {
  std::string name;
  Labels series;
  Tracked alert;
};

Saved ReadAlert(const Json& json) {
  const StateReader reader(json);
  Saved saved{reader.Text("name"), reader.LabelsOf("series"), {}};
  Tracked& alert = saved.alert;
  alert.labels = reader.LabelsOf("labels");
  alert.state = reader.State("state");
  alert.level = reader.LevelOf("level");
  if (const Json& value = reader.Member("value"); value.IsNumber()) alert.value = value.AsDouble();
  alert.known_at = reader.Time("known_at");
  alert.resolved_at = reader.Time("resolved_at");
  alert.changed_at = reader.Time("changed_at");
  const Json& levels = reader.Member("levels");
  if (!levels.IsArray()) StateReader::Fail("levels");
  for (const Json& item : levels.AsArray()) {
    const StateReader level(item);
    const Level which = level.LevelOf("level");
    LevelMachine machine{level.State("state"), level.Time("active_at"), level.Time("fired_at"),
                         level.Time("ok_since")};
    const bool good = which != Level::kOk && (machine.state == AlertState::kPending ||
                                              machine.state == AlertState::kFiring);
    if (!good) StateReader::Fail("levels");
    alert.levels[static_cast<std::size_t>(which)] = machine;
  }
  return saved;
}

}  // namespace

Json Engine::Save(WallTime now) const {
  const Parts& parts = *parts_;
  Json json = Json::MakeObject();
  json["schema"] = kSchema;
  json["saved_at"] = TimeJson(now);
  Json alerts = Json::MakeArray();
  const auto add = [&](const std::string& name, const TrackedByLabels& tracked) {
    for (const auto& [series, alert] : tracked) {
      if (alert.state != AlertState::kInactive) alerts.Append(AlertJson(name, series, alert));
    }
  };
  for (std::size_t i = 0; i < parts.rules.rules.size(); ++i) {
    add(parts.rules.rules[i].name, parts.tracked[i]);
  }
  add(parts.stale_rule.name, parts.stale);
  json["alerts"] = std::move(alerts);
  json["silences"] = parts.silences.Save();
  return json;
}

void Engine::Restore(const Json& saved, WallTime now) {
  Parts& parts = *parts_;
  const StateReader reader(saved);
  if (reader.Text("schema") != kSchema) StateReader::Fail("schema");
  const WallTime saved_at = reader.Time("saved_at");
  const Json& list = reader.Member("alerts");
  if (!list.IsArray()) StateReader::Fail("alerts");
  std::vector<Saved> alerts;
  for (const Json& item : list.AsArray()) alerts.push_back(ReadAlert(item));
  const Json& silences = reader.Member("silences");
  if (!silences.IsArray()) StateReader::Fail("silences");

  for (Saved& one : alerts) {
    for (LevelMachine& machine : one.alert.levels) {
      if (now < saved_at) {
        machine.SetBack(saved_at - now);
      } else {
        machine.Unknown(now - saved_at);
      }
    }
    one.alert.changed_at = std::min(one.alert.changed_at, now);
    one.alert.resolved_at = std::min(one.alert.resolved_at, now);
    one.alert.unknown = true;
    one.alert.known_at = now;  // data has three intervals to come back
    const auto rule = std::find_if(parts.rules.rules.begin(), parts.rules.rules.end(),
                                   [&](const Rule& other) { return other.name == one.name; });
    if (one.name == kStaleAlert) {
      parts.stale.insert_or_assign(one.series, std::move(one.alert));
    } else if (rule == parts.rules.rules.end()) {
      Rule gone;
      gone.name = one.name;
      ++parts.alerts;  // Leave counts it out
      parts.Leave(gone, one.alert);
    } else if (parts.alerts < parts.options.max_alerts) {
      one.alert.labels = AlertLabels(one.series, *rule);
      auto& tracked = parts.tracked[static_cast<std::size_t>(rule - parts.rules.rules.begin())];
      if (tracked.insert_or_assign(one.series, std::move(one.alert)).second) ++parts.alerts;
    }
  }
  parts.silences.Restore(silences, now);
  parts.last = now;
  parts.rejudge = true;  // the rules may be others than those that it was saved under
}

}  // namespace perf::monitor::alerts
