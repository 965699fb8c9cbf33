// SPDX-License-Identifier: Apache-2.0
#include "libperf/monitor/alerts/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "libperf/base/json.hpp"
#include "libperf/base/url.hpp"
#include "libperf/base/utc.hpp"

namespace perf::monitor::alerts {
namespace {

std::string PageOf(const Alert& alert, const std::string& generator_url) {
  if (generator_url.empty()) return {};
  return generator_url + (generator_url.find('?') == std::string::npos ? "?" : "&") +
         "alert=" + PercentEncode(alert.name);
}

Json WireAlert(const Alert& alert, Level level, WallTime ends_at,
               const std::string& generator_url) {
  Json json = Json::MakeObject();
  Json& labels = json["labels"] = Json::MakeObject();
  labels["alertname"] = alert.name;
  labels["severity"] = LabelValue(level);
  for (const auto& [name, value] : alert.labels) labels[name] = value;
  Json& notes = json["annotations"] = Json::MakeObject();
  const auto note = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) notes[name] = text;
  };
  note("summary", alert.summary);
  note("description", alert.description);
  note("runbook_url", alert.runbook_url);
  note("measured", alert.measured);
  // What is over has no times of levels any more.
  const WallTime starts_at = alert.fired_at != WallTime{} ? alert.fired_at
                             : alert.changed_at < ends_at ? alert.changed_at
                                                          : ends_at;
  json["startsAt"] = ToRfc3339(std::min(starts_at, ends_at));
  json["endsAt"] = ToRfc3339(ends_at);
  const std::string page = PageOf(alert, generator_url);
  if (!page.empty()) json["generatorURL"] = page;
  return json;
}

}  // namespace

std::string AlertmanagerBody(const std::vector<Notice>& notices, const Receiver& receiver,
                             const std::string& generator_url, WallTime now) {
  Json body = Json::MakeArray();
  const Millis lasts = 4 * std::chrono::duration_cast<Millis>(receiver.resend);
  for (const Notice& notice : notices) {
    const Alert& alert = notice.alert;
    const bool fires = alert.state == AlertState::kFiring;
    if (notice.former) body.Append(WireAlert(alert, *notice.former, now, generator_url));
    const WallTime ends_at = fires ? now + lasts : std::min(alert.resolved_at, now);
    body.Append(WireAlert(alert, alert.level, ends_at, generator_url));
  }
  return body.Dump();
}

std::string NotificationBody(const std::vector<Notice>& notices, const Receiver& receiver,
                             const std::string& generator_url, WallTime now) {
  Json body = Json::MakeObject();
  body["schema"] = "perfkit.notification/1";
  body["receiver"] = receiver.name;
  body["sent_at"] = ToRfc3339(now);
  const bool fires = std::any_of(notices.begin(), notices.end(), [](const Notice& notice) {
    return notice.alert.state == AlertState::kFiring;
  });
  body["status"] = fires ? "firing" : "resolved";
  Json& alerts = body["alerts"] = Json::MakeArray();
  for (const Notice& notice : notices) {
    Json json = ToJson(notice.alert);
    json["former_level"] = notice.former ? Json(Name(*notice.former)) : Json();
    json["generator_url"] = PageOf(notice.alert, generator_url);
    alerts.Append(std::move(json));
  }
  return body.Dump();
}

std::string LogLine(const Notice& notice) {
  const Alert& alert = notice.alert;
  return fmt::format("alert {} {} {}: {}; {}", Name(alert.state), Name(alert.level),
                     Identity(alert), alert.measured, alert.summary);
}

}  // namespace perf::monitor::alerts
