// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/runtime.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/utc.hpp"
#include "libperf/load/result.hpp"
#include "libperf/service/optimize.hpp"
#include "libperf/service/runtime_parts.hpp"
#include "libperf/service/system_rows.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

RuntimeOptions Completed(RuntimeOptions options) {
  const config::Environment environment;
  if (options.name.empty()) options.name = fmt::format("{}-{}", options.kind, ::getpid());
  if (options.run_directory.empty()) options.run_directory = RunDirectory::Place(environment);
  if (options.audit.empty()) {
    const auto state = environment.Text("XDG_STATE_HOME");
    const auto home = environment.Text("HOME");
    // Without a home it stands in the run directory: a name in the temporary folder that
    // everybody knows could be anybody's by now.
    const std::string place = state && state->front() == '/' ? *state + "/perfkit"
                              : home && home->front() == '/'
                                  ? *home + "/.local/state/perfkit"
                                  : RunDirectory(options.run_directory).Path();
    std::error_code error;
    std::filesystem::create_directories(place, error);  // AuditLog says what is wrong with it
    options.audit = place + "/audit.jsonl";
  }
  return options;
}

std::shared_ptr<const Tokens> LoadTokens(const std::string& path) {
  return path.empty() ? std::make_shared<const Tokens>() : std::make_shared<const Tokens>(path);
}

}  // namespace

Runtime::Parts::Parts(RuntimeOptions the_options)
    : options(Completed(std::move(the_options))),
      registry(options.registry != nullptr ? *options.registry : own_registry),
      sampler_heart(options.sample_every),
      audit(options.audit, options.audit_max_bytes),
      actions(registry.Counters({.name = "perfkit_optimize_actions_total",
                                 .help = "Actions asked for by POST /performance/optimize.",
                                 .labels = {"action", "result"}})),
      router(access, audit, registry) {
  access.Use(LoadTokens(options.tokens));
  for (const std::string_view action : OptimizeActions()) {
    for (const char* result : {"ok", "failed"}) actions.With({action, result});
  }
}

Runtime::Runtime(RuntimeOptions options) : parts_(std::make_unique<Parts>(std::move(options))) {
  Parts& parts = *parts_;
  parts.health.Add("sampler", {.live = true, .ready = true}, [&parts](TimePoint now) {
    ComponentHealth health = parts.sampler_heart.Check(now);
    // Before the first sample there is nothing to show.
    if (health.status == HealthStatus::kUnknown) health.status = HealthStatus::kOutOfService;
    return health;
  });
  parts.health.Add("sample", {.ready = true}, [&parts](TimePoint) {
    auto trouble = parts.trouble.Lock();
    return ComponentHealth{trouble->empty() ? HealthStatus::kUp : HealthStatus::kDown, *trouble};
  });
  parts.health.Add("audit", {.ready = false}, [&parts](TimePoint) {
    const std::string trouble = parts.audit.Trouble();
    return ComponentHealth{trouble.empty() ? HealthStatus::kUp : HealthStatus::kDown, trouble};
  });
  parts.health.Add("requests", {.ready = true}, [&parts](TimePoint) {
    const std::lock_guard lock(parts.stop_mutex);
    if (!parts.draining) return ComponentHealth{};
    return ComponentHealth{HealthStatus::kOutOfService, "draining"};
  });
}

Runtime::~Runtime() { Stop(Deadline::After(Clock::now(), 5s)); }

metrics::Registry& Runtime::Registry() noexcept { return parts_->registry; }
HealthBoard& Runtime::Health() noexcept { return parts_->health; }
AuditLog& Runtime::Audit() noexcept { return parts_->audit; }

void Runtime::Attach(backends::PoolManager& manager) {
  for (auto& registration : manager.RegisterMetrics(parts_->registry)) {
    parts_->registrations.push_back(std::move(registration));
  }
  parts_->subjects.pools.push_back(&manager);
}

void Runtime::Attach(cache::CacheManager& manager) {
  for (auto& registration : manager.RegisterMetrics(parts_->registry)) {
    parts_->registrations.push_back(std::move(registration));
  }
  parts_->subjects.caches.push_back(&manager);
}

void Runtime::Attach(audio::AudioMemoryOptimizer& optimizer) {
  parts_->registrations.push_back(optimizer.RegisterMetrics(parts_->registry));
  parts_->subjects.streams.push_back(&optimizer);
}

void Runtime::OnSample(Sampled sampled) { parts_->sampled = std::move(sampled); }
void Runtime::OnAlerts(Alerts alerts, AlertRows rows) {
  parts_->alerts = std::move(alerts);
  parts_->alert_rows = std::move(rows);
}
void Runtime::OnRows(MoreRows rows) { parts_->more_rows = std::move(rows); }
void Runtime::OnHistory(History history) { parts_->history = std::move(history); }

void Runtime::Page(std::string path, std::string content_type, std::string_view text,
                   std::vector<std::pair<std::string, std::string>> fields) {
  Reply reply;
  reply.content_type = std::move(content_type);
  reply.fields = std::move(fields);
  reply.body = std::make_shared<const std::string>(text);
  parts_->router.Get(std::move(path), [reply](const Request&) { return reply; });
}

void Runtime::Start() {
  Parts& parts = *parts_;
  parts.AddRoutes();
  parts.Sample();
  parts.front = std::make_unique<Front>(
      [&parts](const Request& request) { return parts.router.Handle(request); },
      parts.options.limits,
      [&parts](const Peer& peer, const char* reason) { parts.router.Refused(peer, reason); });
  if (parts.options.listen) {
    parts.listening =
        parts.front->ListenTcp(*parts.options.listen, parts.options.certificate, parts.options.key);
  }
  parts.socket = RunDirectory(parts.options.run_directory).Listen(parts.options.kind);
  parts.front->ListenUnix(parts.socket.TakeSocket());
  parts.sampler = std::thread([&parts] { parts.SampleLoop(); });
  parts.front->Start();
}

bool Runtime::Stop(Deadline deadline) {
  Parts& parts = *parts_;
  {
    const std::lock_guard lock(parts.stop_mutex);
    parts.draining = true;
  }
  const bool clean = !parts.front || parts.front->Stop(deadline);
  {
    const std::lock_guard lock(parts.stop_mutex);
    parts.stop_asked = true;
    parts.stop_changed.notify_all();
  }
  if (parts.sampler.joinable()) parts.sampler.join();
  parts.socket = UnixListener();  // after the sampler, which tells its path
  return clean;
}

void Runtime::Reload() { parts_->access.Use(LoadTokens(parts_->options.tokens)); }

const std::string& Runtime::Socket() const noexcept { return parts_->socket.Path(); }
std::optional<Address> Runtime::Listening() const noexcept { return parts_->listening; }
FrontCounters Runtime::Requests() const noexcept {
  return parts_->front ? parts_->front->Counters() : FrontCounters{};
}
TimePoint Runtime::SampledAt() const noexcept {
  return TimePoint(Duration(parts_->sampled_at.load()));
}

void Runtime::Parts::SampleLoop() {
  TimePoint next = Clock::now();
  for (;;) {
    next = std::max(next + options.sample_every, Clock::now());
    {
      std::unique_lock lock(stop_mutex);
      if (stop_changed.wait_until(lock, next, [&] { return stop_asked; })) return;
    }
    Sample();
  }
}

void Runtime::Parts::Sample() {
  const TimePoint now = Clock::now();
  const WallTime wall = std::chrono::system_clock::now();
  std::string wrong;
  try {
    if (sampled) sampled(wall, now);
    const auto text = [](const Json& json) {
      return std::make_shared<const std::string>(json.Dump() + "\n");
    };
    const Json pools = subjects.Pools(), caches = subjects.Caches(), audio = subjects.Audio();
    Answers fresh;
    fresh.pools = text(pools);
    fresh.caches = text(caches);
    fresh.audio = text(audio);
    report::StatusDocument document = Document(now);
    for (auto& row : rows.Make(pools, caches, audio, now)) document.rows.push_back(std::move(row));
    for (report::StatusRow& row : document.rows) row.agent = options.name;
    fresh.overview = text(document.ToJson());
    auto kept = answers.Lock();
    *kept = std::move(fresh);
  } catch (...) {
    wrong = ThrownText();
    Log(LogLevel::kError, "cannot sample: {}", wrong);
  }
  audit.Tick(wall);
  {
    auto kept = trouble.Lock();
    *kept = std::move(wrong);
  }
  const TimePoint done = Clock::now();
  sampler_heart.Beat(done);
  sampled_at.store(done.time_since_epoch().count());
}

report::StatusDocument Runtime::Parts::Document(TimePoint now) {
  report::StatusDocument document;
  document.tool_version = load::Version();
  document.generated_at = UtcNow();
  report::StatusAgent agent;
  agent.name = options.name;
  agent.kind = options.kind;
  agent.version = document.tool_version;
  agent.where = socket.Path();
  agent.pid = ::getpid();
  agent.uptime_s = ToMs(now - started) / 1e3;
  agent.sampled_age_s = 0;
  agent.sampled_every_s = ToMs(options.sample_every) / 1e3;
  const auto report = health.Ask(HealthBoard::Group::kAll, now);
  for (const Json& check : report.body.Find("checks")->AsArray()) {
    ++agent.checks_total;
    agent.checks_ok += check.Find("status")->AsString() == "UP" ? 1 : 0;
  }
  document.agents.push_back(std::move(agent));
  if (more_rows) document.rows = more_rows();
  if (alert_rows) document.alerts = alert_rows();
  for (report::StatusAlert& alert : document.alerts) alert.agent = options.name;
  if (const std::string why = audit.Trouble(); !why.empty()) {
    document.rows.push_back(FailingRow("audit", why));
  }
  return document;
}

}  // namespace perf::service
