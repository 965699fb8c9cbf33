// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/pool_metrics.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace perf::pool {
namespace {

using metrics::FamilySpec;
using metrics::Labels;
using metrics::Type;

/// Adds series of one pool: its labels, then those of the series.
class Adder {
 public:
  Adder(metrics::Collection& collection, Labels labels)
      : collection_(collection), labels_(std::move(labels)) {}

  void Gauge(const char* name, const char* help, double value, const Labels& more = {},
             const char* unit = "") const {
    collection_.Value(FamilySpec{name, help, Type::kGauge, unit, foreign_}, With(more), value);
  }
  void Counter(const char* name, const char* help, std::uint64_t value,
               const Labels& more = {}) const {
    collection_.Value(FamilySpec{name, help, Type::kCounter, "", foreign_}, With(more),
                      static_cast<double>(value));
  }
  void Times(const char* name, const char* help, const metrics::LogHistogram& times) const {
    collection_.Histogram(FamilySpec{name, help, Type::kHistogram, "seconds", foreign_}, With({}),
                          times.Snapshot());
  }
  void Summary(const char* name, const char* help, const metrics::LogHistogram& times,
               double per_second) const {
    const metrics::HistogramSnapshot snapshot = times.Snapshot();
    metrics::Sample sample;
    sample.labels = labels_;
    sample.value = snapshot.sum * per_second;
    sample.count = snapshot.Count();
    collection_.Add(FamilySpec{name, help, Type::kSummary, "", foreign_}, std::move(sample));
  }
  void Foreign() noexcept { foreign_ = true; }

 private:
  Labels With(const Labels& more) const {
    Labels all = labels_;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  metrics::Collection& collection_;
  Labels labels_;
  bool foreign_ = false;
};

double D(std::size_t value) noexcept { return static_cast<double>(value); }

void AddState(const PoolFigures& pool, const Adder& add) {
  constexpr const char* kConnections = "Open connections by state.";
  const auto connections = [&](const char* state, std::size_t count) {
    add.Gauge("perfkit_pool_connections", kConnections, D(count), {{"state", state}});
  };
  connections("idle", pool.now.idle);
  connections("used", pool.now.in_use + pool.now.busy);
  add.Gauge("perfkit_pool_connections_dialling", "Connections being established.",
            D(pool.now.dialling));
  add.Gauge("perfkit_pool_connections_max", "Most connections that may be open.", D(pool.max));
  add.Gauge("perfkit_pool_connections_idle_min", "Connections kept open although idle.",
            D(pool.min));
  add.Gauge("perfkit_pool_connections_idle_max", "Most connections that may be idle.", D(pool.max));
  add.Gauge("perfkit_pool_connections_used_peak",
            "Most connections in use at once since the pool was made.", D(pool.totals.most_in_use));
  add.Gauge("perfkit_pool_pending_requests", "Requests that wait for a connection.",
            D(pool.now.waiting));
}

void AddTotals(const Statistics& totals, const Adder& add) {
  const auto acquires = [&](const char* result, std::uint64_t count) {
    add.Counter("perfkit_pool_acquires_total", "Requests for a connection by outcome.", count,
                {{"result", result}});
  };
  acquires("ok", totals.acquired);
  acquires("timeout", totals.cancelled);
  acquires("error", totals.refused);
  add.Counter("perfkit_pool_timeouts_total", "Requests that left with nothing after waiting.",
              totals.cancelled);
  add.Counter("perfkit_pool_waits_total", "Requests that had to wait.", totals.waited);
  add.Counter("perfkit_pool_connections_opened_total", "Connections established.", totals.dialled);
  add.Counter("perfkit_pool_connection_failures_total",
              "Connections that could not be established.", totals.dial_failures);
  const auto closed = [&](const char* reason, std::uint64_t count) {
    add.Counter("perfkit_pool_connections_closed_total", "Connections closed by reason.", count,
                {{"reason", reason}});
  };
  closed("idle", totals.expired);
  closed("lifetime", totals.aged);
  closed("error", totals.discarded);
  closed("shrink", totals.shrunk);
  closed("failover", totals.invalidated);
  add.Counter("perfkit_pool_suspected_leaks_total", "Connections held for longer than allowed.",
              totals.leaks_detected);
  add.Counter("perfkit_pool_overtakes_total",
              "Times that a request got a connection before an "
              "older one that waited.",
              totals.overtakes);
}

void AddTimes(const PoolTimes& times, const Adder& add) {
  add.Times("perfkit_pool_connection_create_seconds", "Time to establish a connection.",
            times.create);
  add.Times("perfkit_pool_connection_wait_seconds", "Time from request to connection.", times.wait);
  add.Times("perfkit_pool_connection_use_seconds", "Time that a connection was lent.", times.use);
}

void AddBreaker(const BreakerSnapshot& breaker, const Adder& add) {
  constexpr std::array kStates{Breaker::State::kClosed, Breaker::State::kOpen,
                               Breaker::State::kHalfOpen, Breaker::State::kForcedOpen,
                               Breaker::State::kDisabled};
  for (const Breaker::State state : kStates) {
    add.Gauge("perfkit_pool_breaker_state", "1 for the state that the circuit breaker is in.",
              state == breaker.state ? 1 : 0, {{"state", std::string(Name(state))}});
  }
  add.Gauge("perfkit_pool_breaker_failure_ratio", "Share of failed calls in its window.",
            breaker.failure_rate, {}, "ratio");
  add.Gauge("perfkit_pool_breaker_slow_ratio", "Share of slow calls in its window.",
            breaker.slow_rate, {}, "ratio");
  add.Counter("perfkit_pool_breaker_opened_total", "Times that it opened.", breaker.opened);
  add.Counter("perfkit_pool_breaker_rejected_total", "Calls that it did not let through.",
              breaker.rejected);
}

/// HikariCP's PrometheusMetricsTracker, and its Micrometer binder as Prometheus shows it.
void AddHikari(const PoolFigures& pool, const Adder& add) {
  const auto both = [&](const char* tracker, const char* micrometer, const char* help,
                        std::size_t value) {
    add.Gauge(tracker, help, D(value));
    add.Gauge(micrometer, help, D(value));
  };
  const std::size_t active = pool.now.in_use + pool.now.busy;
  add.Gauge("hikaricp_connections", "Total connections", D(active + pool.now.idle));
  both("hikaricp_active_connections", "hikaricp_connections_active", "Active connections", active);
  both("hikaricp_idle_connections", "hikaricp_connections_idle", "Idle connections", pool.now.idle);
  both("hikaricp_pending_threads", "hikaricp_connections_pending", "Pending threads",
       pool.now.waiting);
  both("hikaricp_max_connections", "hikaricp_connections_max", "Max connections", pool.max);
  both("hikaricp_min_connections", "hikaricp_connections_min", "Min connections", pool.min);
  for (const char* name :
       {"hikaricp_connection_timeout_total", "hikaricp_connections_timeout_total"}) {
    add.Counter(name, "Connection timeout total count", pool.totals.cancelled);
  }
  if (pool.times == nullptr) return;
  const PoolTimes& times = *pool.times;
  add.Summary("hikaricp_connection_acquired_nanos", "Connection acquired time (ns)", times.wait,
              1e9);
  add.Summary("hikaricp_connection_usage_millis", "Connection usage (ms)", times.use, 1e3);
  add.Summary("hikaricp_connection_creation_millis", "Connection creation (ms)", times.create, 1e3);
  add.Summary("hikaricp_connections_acquire_seconds", "Connection acquire time", times.wait, 1);
  add.Summary("hikaricp_connections_usage_seconds", "Connection usage time", times.use, 1);
  add.Summary("hikaricp_connections_creation_seconds", "Connection creation time", times.create, 1);
}

}  // namespace

void AddPoolMetrics(const PoolFigures& figures, metrics::Collection& collection, PoolNames names) {
  const Adder add(collection, {{"pool", figures.pool}, {"backend", figures.backend}});
  AddState(figures, add);
  AddTotals(figures.totals, add);
  if (figures.times != nullptr) AddTimes(*figures.times, add);
  if (figures.breaker) AddBreaker(*figures.breaker, add);
  if (figures.retries) {
    constexpr const char* kHelp = "Retries asked of the budget by outcome.";
    add.Counter("perfkit_pool_retries_total", kHelp, figures.retries->granted,
                {{"result", "granted"}});
    add.Counter("perfkit_pool_retries_total", kHelp, figures.retries->refused,
                {{"result", "refused"}});
  }
  if (names != PoolNames::kHikari) return;
  Adder foreign(collection, {{"pool", figures.pool}});
  foreign.Foreign();
  AddHikari(figures, foreign);
}

metrics::Registry::Registration RegisterPoolMetrics(metrics::Registry& registry,
                                                    const std::string& pool,
                                                    std::function<PoolFigures()> figures,
                                                    PoolNames names) {
  return registry.Collect("pool " + pool,
                          [figures = std::move(figures), names](metrics::Collection& collection) {
                            AddPoolMetrics(figures(), collection, names);
                          });
}

}  // namespace perf::pool
