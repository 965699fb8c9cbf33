// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/cache_set.hpp"

#include <map>
#include <thread>
#include <utility>

#include "libperf/backends/redis.hpp"
#include "libperf/backends/redis_tier.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::load {
namespace {

std::shared_ptr<backends::RedisTierHub> MakeHub(const TargetSpec& target, const std::string& url,
                                                std::uint16_t via_port) {
  backends::RedisTierHubOptions options;
  options.config = backends::ParseRedisUrl(url);
  options.config.tls = target.redis_tls;
  options.config.via_port = via_port;
  options.config.node_connections = target.pool.max;
  options.config.connect_timeout = target.connect_timeout;
  options.config.may_dial = [allow = target.allow](std::string_view host) {
    return IsLoopback(host) || allow.contains(ToLower(host));
  };
  options.connections = target.pool.max;
  options.connect_timeout = target.connect_timeout;
  return std::make_shared<backends::RedisTierHub>(std::move(options));
}

}  // namespace

CacheSet::CacheSet(const Scenario& scenario, const std::vector<std::string>& urls,
                   const std::vector<std::uint16_t>& via_ports) {
  std::map<std::size_t, std::shared_ptr<backends::RedisTierHub>> hubs;
  const auto upkeep = std::make_shared<cache::Upkeep>();
  for (const CacheSpec& spec : scenario.caches) {
    std::shared_ptr<cache::SecondTier> tier;
    if (spec.redis) {
      auto& hub = hubs[*spec.redis];
      if (!hub) {
        const std::uint16_t via = *spec.redis < via_ports.size() ? via_ports[*spec.redis] : 0;
        hub = MakeHub(scenario.targets[*spec.redis], urls[*spec.redis], via);
      }
      backends::RedisTierOptions options;
      // A name has no colon: no prefix is the beginning of another.
      options.prefix = "perfkit:cache:" + spec.name + ":";
      tier = std::make_shared<backends::RedisTier>(hub, std::move(options));
    }
    cache::CacheOptions options = spec.options;
    options.upkeep = upkeep;
    caches_.push_back(std::make_unique<cache::Cache>(std::move(options), std::move(tier)));
  }
}

CacheSet::~CacheSet() = default;

std::vector<std::string> CacheSet::WaitReady(Deadline deadline) const {
  constexpr Duration kPoll = std::chrono::milliseconds(2);
  for (;;) {
    std::vector<std::string> missing;
    for (const auto& cache : caches_) {
      const cache::CacheStats stats = cache->Stats();
      if (stats.tier_present && !(stats.tier_reachable && stats.tier_coherent)) {
        missing.push_back(cache->Options().name);
      }
    }
    if (missing.empty() || deadline.Passed(Clock::now())) return missing;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace perf::load
