// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/subjects.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace perf::service {
namespace {

constexpr std::size_t kMostStreams = 1000;

std::vector<std::string> NamesOf(backends::PoolManager& manager) {
  std::vector<std::string> names;
  const Json snapshot = manager.Snapshot();
  if (const Json* pools = snapshot.Find("pools")) {
    for (const auto& [name, pool] : pools->AsObject()) names.push_back(name);
  }
  return names;
}

Json OptimizerJson(const audio::AudioMemoryOptimizer& optimizer) {
  const audio::OptimizerUsage usage = optimizer.Usage();
  const audio::StreamsUsage& streams = usage.streams;
  Json json = Json::MakeObject();
  json["streams"] = std::uint64_t{streams.streams};
  json["budget_bytes"] = streams.budget_bytes;
  json["reserved_bytes"] = streams.reserved_bytes;
  json["used_bytes"] = streams.used_bytes;
  json["resident_bytes"] = streams.resident_bytes;
  json["opened"] = streams.opened;
  json["refused"] = streams.refused;
  json["idle_closed"] = streams.idle_closed;
  json["packets_written"] = streams.counts.written;
  json["packets_read"] = streams.counts.read;
  json["overruns"] = streams.counts.overruns.events;
  json["underruns"] = streams.counts.underruns.events;
  json["cold_bytes"] = usage.cold_bytes;
  json["cold_audio_bytes"] = usage.cold_audio_bytes;
  json["cold_lost_bytes"] = usage.cold_lost_bytes;
  json["spilled_blocks"] = usage.spilled_blocks;
  json["spill_failures"] = usage.spill_failures;
  json["trims"] = usage.trims;
  json["trimmed_bytes"] = usage.trimmed_bytes;
  Json list = Json::MakeArray();
  for (const audio::StreamUsage& stream : optimizer.UsageByStream()) {
    if (list.AsArray().size() == kMostStreams) break;
    Json one = Json::MakeObject();
    one["id"] = stream.id;
    one["reserved_bytes"] = stream.reserved_bytes;
    one["used_bytes"] = stream.used_bytes;
    one["cold_bytes"] = stream.cold_bytes;
    one["cold_audio_bytes"] = stream.cold_audio_bytes;
    list.Append(std::move(one));
  }
  json["by_stream"] = std::move(list);
  return json;
}

}  // namespace

Json Subjects::Pools() const {
  Json all = Json::MakeObject();
  bool healthy = true, stale = false;
  Json memory;
  Json named = Json::MakeObject();
  for (backends::PoolManager* manager : pools) {
    const Json snapshot = manager->Snapshot();
    const auto flag = [&](const char* name, bool otherwise) {
      const Json* value = snapshot.Find(name);
      return value != nullptr && value->IsBool() ? value->AsBool() : otherwise;
    };
    healthy = healthy && flag("healthy", false);
    stale = stale || flag("stale", true);
    if (const Json* its = snapshot.Find("memory")) memory = *its;
    const Json* its = snapshot.Find("pools");
    if (its == nullptr) continue;
    for (const auto& [name, pool] : its->AsObject()) named[name] = pool;
  }
  all["healthy"] = healthy;
  all["stale"] = stale;
  all["memory"] = std::move(memory);
  all["pools"] = std::move(named);
  return all;
}

Json Subjects::Caches() const {
  Json named = Json::MakeObject();
  for (const cache::CacheManager* manager : caches) {
    const Json snapshot = manager->Snapshot();
    for (const auto& [name, cache] : snapshot.AsObject()) named[name] = cache;
  }
  Json all = Json::MakeObject();
  all["caches"] = std::move(named);
  return all;
}

Json Subjects::Audio() const {
  Json list = Json::MakeArray();
  for (const audio::AudioMemoryOptimizer* optimizer : streams)
    list.Append(OptimizerJson(*optimizer));
  Json all = Json::MakeObject();
  all["optimizers"] = std::move(list);
  return all;
}

backends::PoolManager* Subjects::WithPool(const std::string& name) const {
  for (backends::PoolManager* manager : pools) {
    const auto names = NamesOf(*manager);
    if (std::find(names.begin(), names.end(), name) != names.end()) return manager;
  }
  return nullptr;
}

cache::Cache* Subjects::WithCache(const std::string& name) const {
  for (cache::CacheManager* manager : caches) {
    if (cache::Cache* found = manager->Find(name)) return found;
  }
  return nullptr;
}

std::vector<std::string> Subjects::PoolNames() const {
  std::vector<std::string> all;
  for (backends::PoolManager* manager : pools) {
    for (std::string& name : NamesOf(*manager)) all.push_back(std::move(name));
  }
  return all;
}

std::vector<std::string> Subjects::CacheNames() const {
  std::vector<std::string> all;
  for (const cache::CacheManager* manager : caches) {
    for (std::string& name : manager->Names()) all.push_back(std::move(name));
  }
  return all;
}

}  // namespace perf::service
