// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/cache_result.hpp"

#include <initializer_list>

namespace perf::load {
namespace {

Json Members(std::initializer_list<Json::Member> members) { return Json(Json::Object(members)); }

std::optional<double> Share(std::uint64_t part, std::uint64_t whole) noexcept {
  if (whole == 0) return std::nullopt;
  return static_cast<double>(part) / static_cast<double>(whole);
}

Json OrNull(std::optional<double> value) { return value ? Json(*value) : Json(); }

Json TierJson(const cache::CacheStats& stats) {
  return Members({{"hits", stats.tier_hits},
                  {"stale", stats.tier_stale},
                  {"misses", stats.tier_misses},
                  {"errors", stats.tier_errors},
                  {"undecodable", stats.tier_undecodable},
                  {"void", stats.tier_void},
                  {"writes", stats.tier_writes},
                  {"write_errors", stats.tier_write_errors},
                  {"write_refused", stats.tier_write_refused},
                  {"repaired", stats.repaired},
                  {"repair_pending", stats.repair_pending},
                  {"repair_dropped", stats.repair_dropped},
                  {"lock_waits", stats.lock_waits},
                  {"foreign_keys", stats.foreign_keys},
                  {"foreign_tags", stats.foreign_tags},
                  {"flushes", stats.flushes},
                  {"raw_bytes", stats.raw_bytes},
                  {"frame_bytes", stats.frame_bytes},
                  {"reachable", stats.tier_reachable},
                  {"coherent", stats.tier_coherent}});
}

}  // namespace

std::optional<double> CacheResult::HitRatio() const noexcept {
  return Share(seen.l1_hits + seen.l2_hits, seen.lookups);
}

std::optional<double> CacheResult::L1HitRatio() const noexcept {
  return Share(seen.l1_hits, seen.lookups);
}

std::optional<double> CacheResult::L2HitRatio() const noexcept {
  if (redis.empty()) return std::nullopt;
  return Share(seen.l2_hits, seen.lookups - seen.l1_hits);
}

Json CacheResult::ToJson() const {
  Json json = Members({{"policy", policy},
                       {"redis", redis.empty() ? Json() : Json(redis)},
                       {"max_entries", max_entries},
                       {"max_bytes", max_bytes},
                       {"entries", stats.entries},
                       {"bytes", stats.bytes},
                       {"hit_ratio", OrNull(HitRatio())},
                       {"l1_hit_ratio", OrNull(L1HitRatio())},
                       {"l2_hit_ratio", OrNull(L2HitRatio())},
                       {"lookups", seen.lookups},
                       {"l1_hits", seen.l1_hits},
                       {"l2_hits", seen.l2_hits},
                       {"stale_hits", seen.stale},
                       {"negative", seen.negative},
                       {"coalesced", seen.coalesced},
                       {"errors", seen.errors},
                       {"loads", seen.loads},
                       {"sets", seen.sets},
                       {"removes", seen.removes},
                       {"invalidations", seen.invalidations},
                       {"load_errors", stats.load_errors},
                       {"refreshes", stats.refreshes},
                       {"discarded", stats.discarded},
                       {"fail_safe", stats.fail_safe},
                       {"refused", stats.refused_heavy}});
  json["evictions"] = Members({{"size", stats.evicted_size},
                               {"ttl", stats.evicted_ttl},
                               {"explicit", stats.evicted_explicit}});
  json["l2"] = redis.empty() ? Json() : TierJson(stats);
  return json;
}

}  // namespace perf::load
