// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/agent.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "libperf/audio/memory_optimizer.hpp"
#include "libperf/backends/pool_manager.hpp"
#include "libperf/backends/redis_tier_factory.hpp"
#include "libperf/backends/redis_tier_hub.hpp"
#include "libperf/base/error.hpp"
#include "libperf/cache/cache_manager.hpp"
#include "libperf/monitor/system/system_sampler.hpp"
#include "libperf/service/system_rows.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;
constexpr Duration kReach = 2s;  // for the first look at the targets, which may be down

RuntimeOptions OptionsOf(const AgentConfig& config, std::string name) {
  RuntimeOptions options;
  options.name = std::move(name);
  options.kind = "agent";
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

cache::CacheManager::TierFactory TierOf(const AgentConfig& config) {
  if (config.redis_url.empty() || !config.cache.redis_enabled) return {};
  backends::RedisTierHubOptions options;
  options.config = backends::ParseRedisUrl(config.redis_url);
  return backends::RedisTierFactory(std::make_shared<backends::RedisTierHub>(std::move(options)));
}

}  // namespace

struct Agent::Parts {
  Parts(AgentConfig the_config, std::string name)
      : config(std::move(the_config)), runtime(OptionsOf(config, std::move(name))) {}
  void Show();
  AgentConfig config;
  std::optional<backends::PoolManager> pools;
  std::optional<cache::CacheManager> caches;
  std::optional<audio::AudioMemoryOptimizer> streams;
  monitor::SystemSampler system;
  metrics::Registry::Registration system_metrics;
  Runtime runtime;  // goes before what it shows
  LifeCycle life;   // goes first
};

void Agent::Parts::Show() {
  runtime.Attach(*pools);
  runtime.Attach(*caches);
  runtime.Attach(*streams);
  system_metrics = system.RegisterMetrics(runtime.Registry());
  SystemThresholds thresholds;
  thresholds.cpu_percent = config.cpu_threshold_percent;
  thresholds.memory_bytes = config.memory_threshold_mb << 20;
  runtime.OnRows([this, thresholds] {
    system.Sample(Clock::now());
    return SystemRows(system.Latest(), thresholds);
  });
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
  Component requests;
  requests.name = "requests";
  requests.needs = {"pools", "caches", "audio"};
  requests.start = [&parts](Deadline) {
    parts.Show();
    parts.runtime.Start();
  };
  requests.stop = [&parts](Deadline deadline) { parts.runtime.Stop(deadline); };
  for (Component* component : {&pools, &caches, &streams, &requests}) {
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
  std::map<std::string, std::string> before;
  for (const EffectiveSetting& one : parts.config.effective) before[one.key] = one.value;
  std::vector<std::string> waiting;
  for (const EffectiveSetting& one : config.effective) {
    if (before[one.key] != one.value) waiting.push_back(one.key);
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
