// SPDX-License-Identifier: Apache-2.0
// What a Runtime answers.
#include <fmt/format.h>

#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/result.hpp"
#include "libperf/metrics/exposition.hpp"
#include "libperf/service/openapi.hpp"
#include "libperf/service/optimize.hpp"
#include "libperf/service/runtime_parts.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;
constexpr Duration kChangeWithin = 30s;

Reply Ready(std::shared_ptr<const std::string> body) {
  if (!body) return Problem(503, "nothing has been sampled yet");
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

}  // namespace

void Runtime::Parts::AddRoutes() {
  AddReading();
  router.Post("/performance/optimize", [this](const Request& request, const std::string& who) {
    return ChangeSomething(request, who);
  });
}

void Runtime::Parts::AddReading() {
  const auto kept = [this](std::shared_ptr<const std::string> Answers::* which) {
    return [this, which](const Request&) {
      auto now = answers.Lock();
      return Ready((*now).*which);
    };
  };
  router.Get("/performance/overview", kept(&Answers::overview));
  router.Get("/performance/connection-pools", kept(&Answers::pools));
  router.Get("/performance/caches", kept(&Answers::caches));
  router.Get("/performance/audio-optimizer", kept(&Answers::audio));
  router.Get("/performance/alerts", [this](const Request&) {
    if (alerts) return JsonReply(alerts());
    Json none = Json::MakeObject();
    none["alerts"] = Json::MakeArray();
    return JsonReply(none);
  });
  router.Get("/performance/metrics/history", [this](const Request& request) {
    return history ? history(request) : Problem(404, "this process keeps no history");
  });
  for (const char* path : {"/metrics", "/performance/prometheus"}) {
    router.Get(path, [this](const Request& request) { return ReadMetrics(request); });
  }
  router.Get("/performance/health",
             [this](const Request&) { return ReadHealth(HealthBoard::Group::kAll); });
  router.Get("/health/live",
             [this](const Request&) { return ReadHealth(HealthBoard::Group::kLive); });
  router.Get("/health/ready",
             [this](const Request&) { return ReadHealth(HealthBoard::Group::kReady); });
  router.Get("/openapi.json", [](const Request&) {
    Reply reply;
    reply.body = std::make_shared<const std::string>(OpenApi());
    return reply;
  });
}

Reply Runtime::Parts::ReadMetrics(const Request& request) const {
  const metrics::Format format = metrics::Negotiate(request.Field("accept"));
  Reply reply;
  reply.content_type = metrics::ContentType(format);
  reply.vary = "Accept";
  reply.body =
      std::make_shared<const std::string>(metrics::Expose(registry.Gather(), {.format = format}));
  return reply;
}

Reply Runtime::Parts::ReadHealth(HealthBoard::Group group) const {
  HealthBoard::Report report = health.Ask(group, Clock::now());
  report.body["version"] = load::Version();
  Reply reply = JsonReply(report.body, HttpStatus(report.status));
  if (reply.status == 503) reply.fields.emplace_back("Retry-After", "1");
  reply.cache_control = "no-store";
  return reply;
}

Reply Runtime::Parts::ChangeSomething(const Request& request, const std::string& who) {
  Optimization wanted;
  try {
    wanted = Optimization::FromJson(Json::Parse(request.body), subjects);
  } catch (const ConfigError& error) {
    return Problem(422, MaskSecrets(error.what()));
  }
  // Waiting would take a second worker, and who reads would wait, too.
  const std::unique_lock one_at_a_time(changing, std::try_to_lock);
  if (!one_at_a_time.owns_lock()) {
    audit.Refused(who, "busy", std::chrono::system_clock::now());
    Reply busy = Problem(409, "another change is under way; ask again");
    busy.fields.emplace_back("Retry-After", "1");
    return busy;
  }
  const auto note = [&](std::string result) {
    audit.Write({"change", who, wanted.Describe(), std::move(result)},
                std::chrono::system_clock::now());
  };
  try {
    note("begun");
  } catch (const OutputError&) {
    return Problem(503, "refused: it cannot be written to the audit log");
  }
  Reply reply;
  std::string result = "done";
  try {
    reply = JsonReply(Optimize(wanted, subjects, Deadline::After(Clock::now(), kChangeWithin)));
    reply.cache_control = "no-store";
  } catch (...) {
    const std::string why = MaskSecrets(ThrownText());
    result = "failed: " + why;
    reply = Problem(500, why);
  }
  actions.With({wanted.action, reply.status == 200 ? "ok" : "failed"}).Add();
  try {
    note(std::move(result));
  } catch (const OutputError&) {
    // Its beginning is on record, and the log's trouble is shown.
  }
  return reply;
}

}  // namespace perf::service
