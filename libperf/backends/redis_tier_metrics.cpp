// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string>
#include <utility>

#include "libperf/backends/redis_tier.hpp"
#include "libperf/metrics/registry.hpp"

namespace perf::backends {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;
using pool::Breaker;

/// Adds series of one cache's second tier.
class Adder {
 public:
  Adder(const std::string& cache, metrics::Collection& collection)
      : collection_(collection), labels_{{"cache", cache}, {"tier", "l2"}} {}

  void Gauge(const char* name, const char* help, double value, const Labels& more = {},
             const char* unit = "") const {
    collection_.Value(FamilySpec{name, help, Type::kGauge, unit, false}, With(more), value);
  }
  void Counter(const char* name, const char* help, std::uint64_t value,
               const Labels& more = {}) const {
    collection_.Value(FamilySpec{name, help, Type::kCounter, "", false}, With(more),
                      static_cast<double>(value));
  }

 private:
  Labels With(const Labels& more) const {
    Labels all = labels_;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  metrics::Collection& collection_;
  const Labels labels_;
};

void AddHub(const RedisTierHub::Figures& hub, const Adder& add) {
  constexpr std::array kStates{Breaker::State::kClosed, Breaker::State::kOpen,
                               Breaker::State::kHalfOpen, Breaker::State::kForcedOpen,
                               Breaker::State::kDisabled};
  for (const Breaker::State state : kStates) {
    add.Gauge("perfkit_cache_tier_breaker_state",
              "1 for the state that the circuit breaker of the second tier is in.",
              state == hub.breaker.state ? 1 : 0, {{"state", std::string(Name(state))}});
  }
  add.Gauge("perfkit_cache_tier_breaker_failure_ratio", "Share of failed requests in its window.",
            hub.breaker.failure_rate, {}, "ratio");
  add.Counter("perfkit_cache_tier_breaker_opened_total", "Times that it opened.",
              hub.breaker.opened);
  add.Counter("perfkit_cache_tier_breaker_rejected_total", "Requests that it did not let through.",
              hub.breaker.rejected);
  const auto connections = [&](const char* state, std::size_t count) {
    add.Gauge("perfkit_cache_tier_connections",
              "Connections to the second tier beside those of invalidations.",
              static_cast<double>(count), {{"state", state}});
  };
  connections("idle", hub.now.idle);
  connections("used", hub.now.in_use);
}

void AddRequests(const RedisTierStats& stats, const Adder& add) {
  for (int request = 0; request < RedisTierStats::kRequests; ++request) {
    const std::string operation(Name(static_cast<RedisTierStats::Request>(request)));
    for (int status = 0; status < RedisTierStats::kStatuses; ++status) {
      const std::string result(cache::Name(static_cast<cache::TierStatus>(status)));
      add.Counter(
          "perfkit_cache_tier_requests_total", "Requests to the second tier by result.",
          stats.requests[static_cast<std::size_t>(request)][static_cast<std::size_t>(status)],
          {{"operation", operation}, {"result", result}});
    }
  }
}

void AddTracking(const RedisTierStats& stats, const Adder& add) {
  const RedisTrackingStats& tracking = stats.tracking;
  add.Gauge("perfkit_cache_tracking_servers", "Servers whose invalidations are followed now.",
            static_cast<double>(tracking.servers));
  const auto links = [&](const char* event, std::uint64_t count) {
    add.Counter("perfkit_cache_tracking_links_total",
                "Links of invalidations by what became of them.", count, {{"event", event}});
  };
  links("opened", tracking.opened);
  links("lost", tracking.lost);
  links("refused", tracking.refused);
  add.Counter("perfkit_cache_tracking_messages_total", "Messages of invalidations.",
              tracking.messages);
  add.Counter("perfkit_cache_tracking_names_total", "Names of keys and tags in them.",
              tracking.names);
  add.Counter("perfkit_cache_tracking_own_writes_total",
              "Of them, those that our own writes had caused and that were left out.",
              stats.own_writes);
  add.Counter("perfkit_cache_tracking_flushes_total",
              "Times that invalidations may have been lost, and all in memory had to go.",
              tracking.everything);
}

}  // namespace

void RedisTier::AddMetrics(const std::string& cache, metrics::Collection& collection) const {
  const Adder add(cache, collection);
  const RedisTierStats stats = Stats();
  AddHub(stats.hub, add);
  AddRequests(stats, add);
  AddTracking(stats, add);
}

}  // namespace perf::backends
