// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/agent.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "libperf/audio/memory_optimizer.hpp"
#include "libperf/backends/pool_manager.hpp"
#include "libperf/backends/redis_tier_factory.hpp"
#include "libperf/backends/redis_tier_hub.hpp"
#include "libperf/backends/tls_files.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/cache/cache_manager.hpp"
#include "libperf/monitor/alerts/alert_watch.hpp"
#include "libperf/monitor/history/history.hpp"
#include "libperf/monitor/history/reader.hpp"
#include "libperf/monitor/monitor.hpp"
#include "libperf/service/alert_rows.hpp"
#include "libperf/service/history_route.hpp"
#include "libperf/service/run_directory.hpp"
#include "libperf/service/system_rows.hpp"
#include "libperf/service/target_rows.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;
constexpr Duration kGatherEvery = 5s;  // for the history, unless its steps are shorter
constexpr std::string_view kAlertState = "alerts";
constexpr Duration kReach = 2s;  // for the first look at the targets, which may be down

/// What is found out before anything starts. Throws: ConfigError.
void CheckFiles(const AgentConfig& config) {
  if (config.certificate.empty()) return;
  for (const std::string& fault : {backends::CertificateFault(config.certificate),
                                   backends::KeyFault(config.key, config.certificate)}) {
    if (!fault.empty()) throw ConfigError(fault);
  }
}

RuntimeOptions OptionsOf(const AgentConfig& config, std::string name, metrics::Registry& registry) {
  CheckFiles(config);
  if (!config.run_directory.empty()) RunDirectory{config.run_directory};  // checks it
  RuntimeOptions options;
  options.name = std::move(name);
  options.kind = "agent";
  options.registry = &registry;
  options.run_directory = config.run_directory;
  if (!config.listen.empty()) options.listen = ParseAddress(config.listen);
  options.certificate = config.certificate;
  options.key = config.key;
  options.tokens = config.tokens;
  options.audit = config.audit;
  if (options.audit.empty() && !config.state_directory.empty()) {
    options.audit = config.state_directory + "/audit.jsonl";
  }
  options.audit_max_bytes = config.audit_max_bytes;
  return options;
}

monitor::HistoryOptions HistoryOptionsOf(const AgentConfig& config) {
  const auto seconds = [](Duration length) {
    return std::chrono::ceil<std::chrono::seconds>(length);
  };
  monitor::HistoryOptions options;
  options.path = config.state_directory.empty() ? monitor::DefaultHistoryPath()
                                                : config.state_directory + "/history.db";
  options.system_step = seconds(config.performance.system_interval);
  options.app_step = seconds(config.performance.app_interval);
  return options;
}

/// Throws: ConfigError with every error of the files.
monitor::alerts::RuleSet RulesOf(const AgentConfig& config) {
  if (!config.performance.alerting_enabled) return {};
  if (!config.rules.empty()) return monitor::alerts::LoadRules(config.rules);
  monitor::alerts::DefaultLimits limits;
  limits.memory_bytes = static_cast<double>(config.performance.memory_threshold_mb << 20);
  limits.cpu_ratio = config.performance.cpu_threshold_percent / 100;
  return monitor::alerts::DefaultRules(limits);
}

monitor::alerts::WallTime ToMillis(WallTime wall) {
  return std::chrono::floor<monitor::alerts::Millis>(wall);
}

monitor::MonitorOptions MonitorOptionsOf(const AgentConfig& config) {
  monitor::MonitorOptions options;
  options.config = config.performance;
  return options;
}

/// Whether a URL is another one; as settings show it, only its password may be.
bool SecretDiffers(std::string_view key, const AgentConfig& before, const AgentConfig& after) {
  return (key == "targets.database" && before.database_url != after.database_url) ||
         (key == "targets.redis" && before.redis_url != after.redis_url) ||
         (key == "targets.speech" && before.speech_url != after.speech_url) ||
         (key == "targets.scrape" && before.scrape != after.scrape);
}

cache::CacheManager::TierFactory TierOf(const AgentConfig& config) {
  if (config.redis_url.empty() || !config.cache.redis_enabled) return {};
  backends::RedisTierHubOptions options;
  options.config = backends::ParseRedisUrl(config.redis_url);
  return backends::RedisTierFactory(std::make_shared<backends::RedisTierHub>(std::move(options)));
}

}  // namespace

struct Agent::Parts {
  Parts(AgentConfig the_config, std::string name)
      : config(std::move(the_config)),
        alerts(RulesOf(config)),
        watching(MonitorOptionsOf(config)),
        runtime(OptionsOf(config, std::move(name), watching.Metrics())) {}
  void Show();
  void ShowHistory();
  void ShowAlerts();
  AgentConfig config;
  monitor::alerts::AlertWatch alerts;  // outlives the monitor, whose source it is
  monitor::Monitor watching;
  metrics::Registry::Registration alert_metrics;
  std::optional<monitor::History> history;
  std::optional<monitor::HistoryReader> reader;
  std::optional<backends::PoolManager> pools;
  std::optional<cache::CacheManager> caches;
  std::optional<audio::AudioMemoryOptimizer> streams;
  Runtime runtime;  // goes before what it shows
  LifeCycle life;   // goes first
};

void Agent::Parts::Show() {
  runtime.Attach(*pools);
  runtime.Attach(*caches);
  runtime.Attach(*streams);
  SystemThresholds thresholds;
  thresholds.cpu_percent = config.performance.cpu_threshold_percent;
  thresholds.memory_bytes = config.performance.memory_threshold_mb << 20;
  runtime.OnRows([this, thresholds] {
    auto rows = SystemRows(watching.System().Latest(), thresholds);
    for (auto& row : TargetRows(watching.Targets().Status())) rows.push_back(std::move(row));
    if (const auto figures = history->Figures(); figures.failing) {
      rows.push_back(FailingRow("history", figures.last_error));
    }
    return rows;
  });
  for (const monitor::WatchStatus& target : watching.Targets().Status()) {
    runtime.Health().Add("target " + target.name, {.target = true},
                         [this, name = target.name](TimePoint) {
                           return TargetHealth(watching.Targets().Status(), name);
                         });
  }
}

void Agent::Parts::ShowHistory() {
  const Duration every =
      std::min({kGatherEvery, config.performance.system_interval, config.performance.app_interval});
  runtime.OnSample([this, every, next = TimePoint{}](WallTime wall, TimePoint now) mutable {
    if (now < next) return;
    next = now + every;
    const metrics::MetricsSnapshot snapshot = watching.CurrentMetrics();
    history->Record(snapshot, wall);
    // Saved with each change, so that a restart goes on from it.
    if (!alerts.Sample(snapshot, ToMillis(wall)).empty()) {
      history->PutState(kAlertState, alerts.Save(ToMillis(wall)).Dump());
    }
  });
  runtime.OnHistory([this](const Request& request) {
    return AnswerHistory(request, *reader, std::chrono::system_clock::now());
  });
  // A disk that is full is told, but what we have to say else is as good as before.
  runtime.Health().Add("history", {}, [this](TimePoint) {
    const monitor::HistoryFigures figures = history->Figures();
    if (!figures.failing) return ComponentHealth{};
    return ComponentHealth{HealthStatus::kDown, figures.last_error};
  });
}

void Agent::Parts::ShowAlerts() {
  if (const auto saved = reader->State(kAlertState)) {
    try {
      alerts.Restore(Json::Parse(*saved), ToMillis(std::chrono::system_clock::now()));
    } catch (const ConfigError& error) {
      Log(LogLevel::kWarn, "alerts begin anew: {}", error.what());
    }
  }
  watching.SetAlertSource(&alerts);
  alert_metrics = watching.Metrics().Collect(
      "alerts", [this](metrics::Collection& collection) { alerts.AddMetrics(collection); });
  runtime.OnAlerts(
      [this] { return alerts.Document(); },
      [this] { return AlertRows(alerts.Alerts(), ToMillis(std::chrono::system_clock::now())); });
}

Agent::Agent(AgentConfig config, std::string name)
    : parts_(std::make_unique<Parts>(std::move(config), std::move(name))) {
  Parts& parts = *parts_;
  Component pools;
  pools.name = "pools";
  pools.start = [&parts](Deadline deadline) {
    backends::ConnectionPoolConfig wanted = parts.config.pools;
    wanted.require_reachable = false;
    parts.pools.emplace(wanted);
    parts.pools->InitializeDefaultPools(parts.config.database_url, parts.config.redis_url,
                                        parts.config.speech_url,
                                        Sooner(deadline, Deadline::After(Clock::now(), kReach)));
  };
  pools.stop = [&parts](Deadline deadline) {
    if (parts.pools) parts.pools->Stop(deadline);
  };
  Component caches;
  caches.name = "caches";
  caches.start = [&parts](Deadline) {
    parts.caches.emplace(parts.config.cache, TierOf(parts.config));
    parts.caches->Add("default");
  };
  Component streams;
  streams.name = "audio";
  streams.start = [&parts](Deadline) {
    audio::AudioMemoryOptimizer::Options options;
    options.buffers = parts.config.audio;
    parts.streams.emplace(options);
  };
  Component watch;
  watch.name = "monitor";
  watch.start = [&parts](Deadline) {
    AddTargets(parts.config, parts.watching.Targets());
    parts.watching.Start();
  };
  watch.stop = [&parts](Deadline deadline) { parts.watching.Stop(deadline); };
  Component history;
  history.name = "history";
  history.start = [&parts](Deadline) {
    parts.history.emplace(HistoryOptionsOf(parts.config), &parts.watching.Metrics());
    parts.reader.emplace(parts.history->Path());
  };
  history.stop = [&parts](Deadline deadline) {
    if (parts.history) parts.history->Flush(deadline);
  };
  Component requests;
  requests.name = "requests";
  requests.needs = {"pools", "caches", "audio", "monitor", "history"};
  requests.start = [&parts](Deadline) {
    parts.Show();
    parts.ShowHistory();
    parts.ShowAlerts();
    parts.runtime.Start();
  };
  requests.stop = [&parts](Deadline deadline) { parts.runtime.Stop(deadline); };
  for (Component* component : {&pools, &caches, &streams, &watch, &history, &requests}) {
    parts.life.Add(std::move(*component));
  }
}

Agent::~Agent() = default;

void Agent::Start(Deadline deadline) {
  parts_->life.Start(deadline);
  parts_->runtime.Audit().Write({"service", "agent", "start", "done"},
                                std::chrono::system_clock::now());
}

StopReport Agent::Stop(Deadline deadline) {
  StopReport report = parts_->life.Stop(deadline);
  try {
    parts_->runtime.Audit().Write(
        {"service", "agent", "stop", report.Clean() ? "done" : "not in time"},
        std::chrono::system_clock::now());
  } catch (const OutputError&) {
    // It stops all the same.
  }
  return report;
}

std::vector<std::string> Agent::Reload(AgentConfig config, const std::string& who) {
  Parts& parts = *parts_;
  CheckFiles(config);
  monitor::alerts::RuleSet rules = RulesOf(config);
  std::map<std::string, std::string> before;
  for (const EffectiveSetting& one : parts.config.effective) before[one.key] = one.value;
  std::vector<std::string> waiting;
  for (const EffectiveSetting& one : config.effective) {
    const bool at_once = one.key == "monitor.rules";
    const bool differs =
        before[one.key] != one.value || SecretDiffers(one.key, parts.config, config);
    if (differs && !at_once) waiting.push_back(one.key);
  }
  const auto note = [&](std::string result) {
    parts.runtime.Audit().Write({"config", who, "reload", std::move(result)},
                                std::chrono::system_clock::now());
  };
  note("begun");  // what cannot be audited does not take place
  try {
    parts.runtime.Reload();
  } catch (const ConfigError& error) {
    note(fmt::format("failed: {}", error.what()));
    throw;
  }
  parts.alerts.Reload(std::move(rules));
  note(waiting.empty() ? "done"
                       : fmt::format("done; after a restart: {}", fmt::join(waiting, ", ")));
  return waiting;
}

const std::string& Agent::Socket() const noexcept { return parts_->runtime.Socket(); }
std::optional<Address> Agent::Listening() const noexcept { return parts_->runtime.Listening(); }
TimePoint Agent::SampledAt() const noexcept { return parts_->runtime.SampledAt(); }

std::string Agent::Status() const {
  const FrontCounters counters = parts_->runtime.Requests();
  return fmt::format("{} connections, {} requests answered", counters.open, counters.requests);
}

}  // namespace perf::service
