// SPDX-License-Identifier: Apache-2.0
#include "libperf/cache/cache_metrics.hpp"

#include <string_view>
#include <utility>

namespace perf::cache {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;

/// Adds series of one cache: its label, then those of the series.
class Adder {
 public:
  Adder(metrics::Collection& collection, Labels labels)
      : collection_(collection), labels_(std::move(labels)) {}

  void Gauge(const char* name, const char* help, double value, const char* unit = "",
             const Labels& more = {}) const {
    collection_.Value(FamilySpec{name, help, Type::kGauge, unit, false}, With(more), value);
  }
  void Counter(const char* name, const char* help, std::uint64_t value, const Labels& more = {},
               const char* unit = "") const {
    collection_.Value(FamilySpec{name, help, Type::kCounter, unit, false}, With(more),
                      static_cast<double>(value));
  }
  void Times(const char* name, const char* help, const metrics::LogHistogram& times,
             const Labels& more) const {
    collection_.Histogram(FamilySpec{name, help, Type::kHistogram, "seconds", false}, With(more),
                          times.Snapshot());
  }

 private:
  Labels With(const Labels& more) const {
    Labels all = labels_;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  metrics::Collection& collection_;
  Labels labels_;
};

double D(std::uint64_t value) noexcept { return static_cast<double>(value); }

void AddRequests(const CacheStats& stats, const Adder& add) {
  const auto requests = [&](const char* tier, const char* result, std::uint64_t count) {
    add.Counter("perfkit_cache_requests_total", "Look-ups by tier and result.", count,
                {{"tier", tier}, {"result", result}});
  };
  requests("l1", "hit", stats.memory_hits);
  requests("l1", "miss", stats.memory_misses);
  requests("l1", "stale", stats.memory_stale);
  requests("l1", "error", 0);
  if (stats.tier_present) {
    requests("l2", "hit", stats.tier_hits);
    requests("l2", "miss", stats.tier_misses);
    requests("l2", "stale", stats.tier_stale);
    requests("l2", "error", stats.tier_errors);
  }
  add.Counter("perfkit_cache_negative_hits_total",
              "Look-ups answered with the knowledge that there is no such thing.",
              stats.negative_hits);
}

void AddMemory(const CacheFigures& figures, const Adder& add) {
  const CacheStats& stats = figures.stats;
  const Labels l1{{"tier", "l1"}};
  add.Gauge("perfkit_cache_entries", "Entries held.", D(stats.entries), "", l1);
  add.Gauge("perfkit_cache_size_bytes", "Keys, values and overhead held.", D(stats.bytes), "bytes",
            l1);
  if (figures.max_entries > 0) {
    add.Gauge("perfkit_cache_entries_max", "Most entries that may be held.", D(figures.max_entries),
              "", l1);
  }
  if (figures.max_bytes > 0) {
    add.Gauge("perfkit_cache_limit_bytes", "Most bytes that may be held.", D(figures.max_bytes),
              "bytes", l1);
  }
  const auto evictions = [&](const char* reason, std::uint64_t count) {
    add.Counter("perfkit_cache_evictions_total", "Entries that went, by reason.", count,
                {{"tier", "l1"}, {"reason", reason}});
  };
  evictions("size", stats.evicted_size);
  evictions("ttl", stats.evicted_ttl);
  evictions("explicit", stats.evicted_explicit);
  add.Counter("perfkit_cache_refused_values_total", "Values too heavy to be held in memory.",
              stats.refused_heavy, l1);
}

void AddLoads(const CacheStats& stats, const Adder& add) {
  const auto loads = [&](const char* result, std::uint64_t count) {
    add.Counter("perfkit_cache_loads_total", "Loads from the source by result.", count,
                {{"result", result}});
  };
  loads("ok", stats.loads >= stats.load_errors ? stats.loads - stats.load_errors : 0);
  loads("error", stats.load_errors);
  add.Counter("perfkit_cache_coalesced_loads_total", "Look-ups that waited for another's load.",
              stats.coalesced);
  add.Counter("perfkit_cache_discarded_loads_total",
              "Loads that a removal or an invalidation overtook.", stats.discarded);
  add.Counter("perfkit_cache_background_loads_total", "Loads in the background: stale or eager.",
              stats.refreshes);
  add.Counter("perfkit_cache_fail_safe_total", "Old values served for a load that failed.",
              stats.fail_safe);
}

void AddOperations(const CacheStats& stats, const Adder& add) {
  const auto operations = [&](const char* operation, std::uint64_t count) {
    add.Counter("perfkit_cache_operations_total", "Writes and invalidations asked for here.", count,
                {{"operation", operation}});
  };
  operations("set", stats.sets);
  operations("delete", stats.removes);
  operations("invalidate_tag", stats.tag_invalidations);
  operations("delete_prefix", stats.prefix_invalidations);
  operations("clear", stats.clears);
}

void AddTier(const CacheStats& stats, const Adder& add) {
  if (!stats.tier_present) return;
  const Labels l2{{"tier", "l2"}};
  add.Gauge("perfkit_cache_tier_up", "1 while the second tier is asked (circuit closed).",
            stats.tier_reachable ? 1 : 0, "", l2);
  add.Gauge("perfkit_cache_tier_coherent", "1 while invalidations of other processes arrive.",
            stats.tier_coherent ? 1 : 0, "", l2);
  const auto writes = [&](const char* result, std::uint64_t count) {
    add.Counter("perfkit_cache_tier_writes_total", "Writes to the second tier by result.", count,
                {{"tier", "l2"}, {"result", result}});
  };
  writes("ok", stats.tier_writes);
  writes("error", stats.tier_write_errors);
  writes("refused", stats.tier_write_refused);
  add.Gauge("perfkit_cache_repair_pending", "Writes that wait for the second tier.",
            D(stats.repair_pending), "", l2);
  const auto repairs = [&](const char* result, std::uint64_t count) {
    add.Counter("perfkit_cache_repairs_total", "Late writes to the second tier by result.", count,
                {{"tier", "l2"}, {"result", result}});
  };
  repairs("ok", stats.repaired);
  repairs("dropped", stats.repair_dropped);
  add.Counter("perfkit_cache_undecodable_frames_total",
              "Frames in the second tier that were none: counted as misses and removed.",
              stats.tier_undecodable, l2);
  add.Counter("perfkit_cache_void_frames_total",
              "Frames in the second tier whose tags were invalidated.", stats.tier_void, l2);
  add.Counter("perfkit_cache_lock_waits_total", "Waits for another process' load.",
              stats.lock_waits, l2);
  const auto received = [&](const char* kind, std::uint64_t count) {
    add.Counter("perfkit_cache_invalidations_received_total",
                "Invalidations told by the second tier.", count, {{"tier", "l2"}, {"kind", kind}});
  };
  received("keys", stats.foreign_keys);
  received("tags", stats.foreign_tags);
  received("everything", stats.flushes);
  add.Counter("perfkit_cache_packed_raw_bytes_total", "Bytes of values packed for the second tier.",
              stats.raw_bytes, l2, "bytes");
  add.Counter("perfkit_cache_packed_frame_bytes_total", "Bytes of the frames that they became.",
              stats.frame_bytes, l2, "bytes");
}

void AddTimes(const CacheFigures& figures, const Adder& add) {
  constexpr const char* kName = "perfkit_cache_operation_duration_seconds";
  constexpr const char* kHelp =
      "Time of operations; l1: of the cache as a whole, where memory "
      "alone did not answer.";
  if (figures.times != nullptr) {
    const auto whole = [&](const char* operation, const metrics::LogHistogram& times) {
      add.Times(kName, kHelp, times, {{"tier", "l1"}, {"operation", operation}});
    };
    whole("get", figures.times->get);
    whole("set", figures.times->set);
    whole("delete", figures.times->remove);
    const auto loads = [&](const char* result, const metrics::LogHistogram& times) {
      add.Times("perfkit_cache_load_duration_seconds", "Time of loads from the source.", times,
                {{"result", result}});
    };
    loads("ok", figures.times->load_ok);
    loads("error", figures.times->load_error);
  }
  if (figures.tier_times == nullptr) return;
  for (std::size_t i = 0; i < kTierOperations; ++i) {
    const auto operation = static_cast<TierOperation>(i);
    add.Times(kName, kHelp, figures.tier_times->Of(operation),
              {{"tier", "l2"}, {"operation", std::string(Name(operation))}});
  }
}

}  // namespace

void AddCacheMetrics(const CacheFigures& figures, metrics::Collection& collection) {
  const Adder add(collection, {{"cache", figures.cache}});
  AddRequests(figures.stats, add);
  AddMemory(figures, add);
  AddLoads(figures.stats, add);
  AddOperations(figures.stats, add);
  AddTier(figures.stats, add);
  add.Counter("perfkit_cache_undecodable_values_total",
              "Values that a typed front could not decode: counted as misses and removed.",
              figures.undecodable_values);
  AddTimes(figures, add);
  if (figures.tier != nullptr) figures.tier->AddMetrics(figures.cache, collection);
}

metrics::Registry::Registration RegisterCacheMetrics(metrics::Registry& registry,
                                                     const std::string& cache,
                                                     std::function<CacheFigures()> figures) {
  return registry.Collect("cache " + cache,
                          [figures = std::move(figures)](metrics::Collection& collection) {
                            AddCacheMetrics(figures(), collection);
                          });
}

}  // namespace perf::cache
