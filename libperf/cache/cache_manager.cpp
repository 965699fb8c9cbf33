// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_manager.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/cache/cache_times.hpp"
#include "libperf/cache/timed_tier.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache {
namespace {

bool IsName(std::string_view name) noexcept {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && letter(name.front()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

Json Members(std::initializer_list<Json::Member> members) { return Json(Json::Object(members)); }

Json MemoryJson(const CacheStats& stats) {
  return Members({{"hits", stats.memory_hits},
                  {"stale", stats.memory_stale},
                  {"misses", stats.memory_misses},
                  {"negative", stats.negative_hits}});
}

Json TierJson(const CacheStats& stats) {
  return Members({{"hits", stats.tier_hits},
                  {"stale", stats.tier_stale},
                  {"misses", stats.tier_misses},
                  {"errors", stats.tier_errors},
                  {"undecodable", stats.tier_undecodable},
                  {"writes", stats.tier_writes},
                  {"write_errors", stats.tier_write_errors},
                  {"repaired", stats.repaired},
                  {"repair_pending", stats.repair_pending},
                  {"reachable", stats.tier_reachable},
                  {"coherent", stats.tier_coherent}});
}

/// Of the look-ups: each asks memory first.
Json HitRatio(const CacheStats& stats) {
  const std::uint64_t memory = stats.memory_hits + stats.memory_stale;
  const std::uint64_t lookups = memory + stats.memory_misses;
  if (lookups == 0) return {};
  const std::uint64_t hits = memory + stats.tier_hits + stats.tier_stale;
  return Json(std::min(1.0, static_cast<double>(hits) / static_cast<double>(lookups)));
}

}  // namespace

struct CacheManager::Managed {
  std::string name;
  std::shared_ptr<TimedTier> tier;  // nullptr: none
  std::shared_ptr<CacheTimes> times;
  metrics::Counter undecodable;
  std::unique_ptr<Cache> cache;  // goes first

  CacheFigures Figures() const {
    CacheFigures figures;
    figures.cache = name;
    figures.stats = cache->Stats();
    figures.max_entries = cache->Options().max_entries;
    figures.max_bytes = cache->Options().max_bytes;
    figures.undecodable_values = undecodable.Value();
    figures.times = times.get();
    figures.tier_times = tier ? &tier->Times() : nullptr;
    figures.tier = tier.get();
    return figures;
  }
};

struct CacheManager::State {
  CacheConfig config;
  TierFactory tiers;
  std::shared_ptr<Upkeep> upkeep;
  std::vector<std::unique_ptr<Managed>> caches;
};

CacheManager::CacheManager(CacheConfig config, TierFactory tiers)
    : state_(std::make_unique<State>()) {
  Validate(config);
  state_->config = std::move(config);
  state_->tiers = std::move(tiers);
  state_->upkeep = std::make_shared<Upkeep>();
}

CacheManager::~CacheManager() = default;

const CacheConfig& CacheManager::Config() const noexcept { return state_->config; }

Cache& CacheManager::Add(const std::string& name) { return Add(state_->config.OptionsFor(name)); }

Cache& CacheManager::Add(CacheOptions options) {
  if (!IsName(options.name)) {
    throw ConfigError(
        fmt::format("'{}' cannot name a cache: expected a letter, then letters, "
                    "digits, '_' and '-', at most 64",
                    Excerpt(options.name, 64)));
  }
  if (Find(options.name) != nullptr) {
    throw ConfigError(fmt::format("there is a cache '{}' already", options.name));
  }
  auto managed = std::make_unique<Managed>();
  managed->name = options.name;
  if (state_->config.redis_enabled && state_->tiers) {
    if (auto tier = state_->tiers(options.name)) {
      managed->tier = std::make_shared<TimedTier>(std::move(tier));
    }
  }
  if (!options.upkeep) options.upkeep = state_->upkeep;
  if (!options.times) options.times = std::make_shared<CacheTimes>();
  managed->times = options.times;
  managed->cache = std::make_unique<Cache>(std::move(options), managed->tier);
  state_->caches.push_back(std::move(managed));
  return *state_->caches.back()->cache;
}

CacheManager::Managed& CacheManager::Known(std::string_view name) const {
  for (const auto& managed : state_->caches) {
    if (managed->name == name) return *managed;
  }
  throw Error(fmt::format("there is no cache '{}'", Excerpt(name, 64)));
}

Cache& CacheManager::Get(std::string_view name) { return *Known(name).cache; }

Cache* CacheManager::Find(std::string_view name) noexcept {
  for (const auto& managed : state_->caches) {
    if (managed->name == name) return managed->cache.get();
  }
  return nullptr;
}

std::vector<std::string> CacheManager::Names() const {
  std::vector<std::string> names;
  for (const auto& managed : state_->caches) names.push_back(managed->name);
  return names;
}

metrics::Counter& CacheManager::Undecodable(std::string_view name) const {
  return Known(name).undecodable;
}

CacheFigures CacheManager::Figures(std::string_view name) const { return Known(name).Figures(); }

Json CacheManager::Snapshot() const {
  Json all = Json::MakeObject();
  for (const auto& managed : state_->caches) {
    const CacheOptions& options = managed->cache->Options();
    const CacheStats stats = managed->cache->Stats();
    Json cache = Members({{"policy", options.policy},
                          {"max_entries", options.max_entries},
                          {"max_bytes", options.max_bytes},
                          {"entries", stats.entries},
                          {"bytes", stats.bytes},
                          {"hit_ratio", HitRatio(stats)}});
    cache["l1"] = MemoryJson(stats);
    cache["l2"] = stats.tier_present ? TierJson(stats) : Json();
    cache["loads"] = Members({{"total", stats.loads},
                              {"failed", stats.load_errors},
                              {"coalesced", stats.coalesced},
                              {"background", stats.refreshes}});
    cache["evictions"] = Members({{"size", stats.evicted_size},
                                  {"ttl", stats.evicted_ttl},
                                  {"explicit", stats.evicted_explicit}});
    all[managed->name] = std::move(cache);
  }
  return all;
}

std::vector<metrics::Registry::Registration> CacheManager::RegisterMetrics(
    metrics::Registry& registry) {
  std::vector<metrics::Registry::Registration> registrations;
  for (const auto& managed : state_->caches) {
    registrations.push_back(RegisterCacheMetrics(
        registry, managed->name, [cache = managed.get()] { return cache->Figures(); }));
  }
  return registrations;
}

}  // namespace perf::cache
