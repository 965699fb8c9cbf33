// SPDX-License-Identifier: Apache-2.0
// The JSON of perfkit.status/1: see status.schema.json, which knows every member.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/report/status.hpp"

namespace perf::report {
namespace {

constexpr std::string_view kSchema = "perfkit.status/1";
constexpr std::array<std::string_view, 5> kUnits{"", "seconds", "bytes", "ratio", "per_second"};
constexpr std::size_t kMostAgents = 1'000, kMostRows = 10'000, kMostReadings = 64;
constexpr std::size_t kMostPoints = 1'000, kMostNotes = 100;

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json Write(const StatusAgent& agent) {
  Json json = Json::MakeObject();
  json["name"] = agent.name;
  json["kind"] = agent.kind;
  json["version"] = agent.version;
  json["where"] = agent.where;
  json["pid"] = agent.pid;
  json["state"] = Name(agent.State());
  json["uptime_s"] = agent.uptime_s;
  json["sampled_age_s"] = Optional(agent.sampled_age_s);
  json["sampled_every_s"] = agent.sampled_every_s;
  json["stale"] = agent.Stale();
  json["checks_ok"] = agent.checks_ok;
  json["checks_total"] = agent.checks_total;
  json["error"] = agent.error;
  return json;
}

Json Write(const StatusReading& reading) {
  Json json = Json::MakeObject();
  json["name"] = reading.name;
  json["value"] = Optional(reading.value);
  json["unit"] = kUnits[static_cast<std::size_t>(reading.unit)];
  json["limit"] = Optional(reading.limit);
  json["want"] = Optional(reading.want);
  json["text"] = reading.text;
  return json;
}

Json Write(const StatusRow& row) {
  Json json = Json::MakeObject();
  json["area"] = row.area;
  json["agent"] = row.agent;
  json["state"] = Name(row.state);
  json["name"] = row.name;
  Json& readings = json["readings"] = Json::MakeArray();
  for (const StatusReading& reading : row.readings) readings.Append(Write(reading));
  json["spark_metric"] = row.spark_metric;
  Json& spark = json["spark"] = Json::MakeArray();
  for (const double point : row.spark) spark.Append(point);  // NaN prints as null
  return json;
}

Json Write(const StatusAlert& alert) {
  Json json = Json::MakeObject();
  json["level"] = monitor::Name(alert.level);
  json["name"] = alert.name;
  json["subject"] = alert.subject;
  json["agent"] = alert.agent;
  json["state"] = alert.state;
  json["since"] = alert.since;
  json["for_s"] = alert.for_s;
  json["text"] = alert.text;
  json["runbook"] = alert.runbook;
  json["next"] = alert.next;
  return json;
}

/// The members of one object; `place` is what an error names.
class Members {
 public:
  Members(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    if (!json.IsObject()) throw Wrong("", "is not an object");
  }
  std::string Text(std::string_view name) const {
    const Json* const member = json_.Find(name);
    if (member == nullptr || member->IsNull()) return {};
    if (!member->IsString()) throw Wrong(name, "is not a text");
    return member->AsString();
  }
  std::optional<double> Maybe(std::string_view name) const {
    const Json* const member = json_.Find(name);
    if (member == nullptr || member->IsNull()) return std::nullopt;
    if (!member->IsNumber()) throw Wrong(name, "is not a number");
    return member->AsDouble();
  }
  double Number(std::string_view name) const { return Maybe(name).value_or(0); }
  std::int64_t Count(std::string_view name) const {
    // What a double holds exactly; what is beyond is no count of anything here.
    return static_cast<std::int64_t>(std::clamp(Number(name), -0x1p53, 0x1p53));
  }
  bool Flag(std::string_view name) const {
    const Json* const member = json_.Find(name);
    if (member == nullptr || member->IsNull()) return false;
    if (!member->IsBool()) throw Wrong(name, "is neither true nor false");
    return member->AsBool();
  }
  /// Calls `take(element, its place)` for at most `most` elements.
  template <class Take>
  void Each(std::string_view name, std::size_t most, Take take) const {
    const Json* const member = json_.Find(name);
    if (member == nullptr || member->IsNull()) return;
    if (!member->IsArray()) throw Wrong(name, "is not an array");
    const Json::Array& elements = member->AsArray();
    for (std::size_t i = 0; i < std::min(most, elements.size()); ++i) {
      take(elements[i], fmt::format("{}/{}/{}", place_, name, i));
    }
  }
  ConfigError Wrong(std::string_view name, std::string_view what) const {
    return ConfigError(fmt::format("status document: {}{}{} {}", place_,
                                   place_.empty() && name.empty() ? "the whole" : "/", name, what));
  }

 private:
  const Json& json_;
  std::string place_;
};

StatusAgent ReadAgent(const Json& json, const std::string& place) {
  const Members members(json, place);
  StatusAgent agent;
  agent.name = members.Text("name");
  agent.kind = members.Text("kind");
  agent.version = members.Text("version");
  agent.where = members.Text("where");
  agent.pid = members.Count("pid");
  agent.uptime_s = members.Number("uptime_s");
  agent.sampled_age_s = members.Maybe("sampled_age_s");
  agent.sampled_every_s = members.Number("sampled_every_s");
  agent.checks_ok = members.Count("checks_ok");
  agent.checks_total = members.Count("checks_total");
  agent.error = members.Text("error");
  return agent;
}

StatusReading ReadReading(const Json& json, const std::string& place) {
  const Members members(json, place);
  StatusReading reading;
  reading.name = members.Text("name");
  reading.value = members.Maybe("value");
  // A unit of a newer agent is no reason to show nothing: its number is shown bare.
  const std::string unit = members.Text("unit");
  const auto* const known = std::find(kUnits.begin(), kUnits.end(), unit);
  if (known != kUnits.end()) reading.unit = static_cast<StatusUnit>(known - kUnits.begin());
  reading.limit = members.Maybe("limit");
  reading.want = members.Maybe("want");
  reading.text = members.Text("text");
  return reading;
}

StatusRow ReadRow(const Json& json, const std::string& place) {
  const Members members(json, place);
  StatusRow row;
  row.area = members.Text("area");
  row.agent = members.Text("agent");
  row.state = ParseStatusState(members.Text("state")).value_or(StatusState::kUnknown);
  row.name = members.Text("name");
  row.spark_metric = members.Text("spark_metric");
  members.Each("readings", kMostReadings, [&](const Json& reading, const std::string& at) {
    row.readings.push_back(ReadReading(reading, at));
  });
  members.Each("spark", kMostPoints, [&](const Json& point, const std::string& at) {
    if (!point.IsNull() && !point.IsNumber()) {
      throw ConfigError(fmt::format("status document: {} is not a number", at));
    }
    row.spark.push_back(point.IsNumber() ? point.AsDouble()
                                         : std::numeric_limits<double>::quiet_NaN());
  });
  return row;
}

StatusAlert ReadAlert(const Json& json, const std::string& place) {
  const Members members(json, place);
  StatusAlert alert;
  const auto level = monitor::ParseLevel(members.Text("level"));
  if (!level) throw members.Wrong("level", "is none of ok, INFO, WARNING, CRITICAL");
  alert.level = *level;
  alert.name = members.Text("name");
  alert.subject = members.Text("subject");
  alert.agent = members.Text("agent");
  alert.state = members.Text("state");
  alert.since = members.Text("since");
  alert.for_s = members.Number("for_s");
  alert.text = members.Text("text");
  alert.runbook = members.Text("runbook");
  alert.next = members.Text("next");
  return alert;
}

}  // namespace

Json StatusDocument::ToJson() const {
  Json json = Json::MakeObject();
  json["schema"] = kSchema;
  json["tool_version"] = tool_version;
  json["generated_at"] = generated_at;
  json["state"] = Name(Overall());
  json["source"] = source;
  json["machine_only"] = machine_only;
  Json& agent_list = json["agents"] = Json::MakeArray();
  for (const StatusAgent& agent : agents) agent_list.Append(Write(agent));
  Json& row_list = json["rows"] = Json::MakeArray();
  for (const StatusRow& row : rows) row_list.Append(Write(row));
  Json& alert_list = json["alerts"] = Json::MakeArray();
  for (const StatusAlert& alert : alerts) alert_list.Append(Write(alert));
  json["spark_window_s"] = spark_window_s;
  Json& note_list = json["notes"] = Json::MakeArray();
  for (const std::string& note : notes) note_list.Append(note);
  return json;
}

StatusDocument StatusDocument::FromJson(const Json& json) {
  const Members members(json, "");
  if (members.Text("schema") != kSchema) {
    throw ConfigError(fmt::format("status document: its schema is '{}', expected '{}'",
                                  Excerpt(members.Text("schema"), 60), kSchema));
  }
  StatusDocument document;
  document.tool_version = members.Text("tool_version");
  document.generated_at = members.Text("generated_at");
  document.source = members.Text("source");
  document.machine_only = members.Flag("machine_only");
  document.spark_window_s = members.Number("spark_window_s");
  members.Each("agents", kMostAgents, [&](const Json& agent, const std::string& place) {
    document.agents.push_back(ReadAgent(agent, place));
  });
  members.Each("rows", kMostRows, [&](const Json& row, const std::string& place) {
    document.rows.push_back(ReadRow(row, place));
  });
  members.Each("alerts", kMostRows, [&](const Json& alert, const std::string& place) {
    document.alerts.push_back(ReadAlert(alert, place));
  });
  members.Each("notes", kMostNotes, [&](const Json& note, const std::string&) {
    document.notes.push_back(note.ToText());
  });
  return document;
}

}  // namespace perf::report
