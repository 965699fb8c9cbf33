// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/pool_metrics.hpp"

#include <doctest/doctest.h>

#include <string>

#include "libperf/metrics/exposition.hpp"

namespace perf::pool {
namespace {

PoolFigures Figures(std::string name) {
  PoolFigures figures;
  figures.pool = std::move(name);
  figures.backend = "postgresql";
  figures.now = Counts{.idle = 3, .in_use = 2, .dialling = 1, .waiting = 4, .busy = 1};
  figures.totals.acquired = 100;
  figures.totals.cancelled = 5;
  figures.totals.aged = 7;
  figures.totals.most_in_use = 9;
  figures.min = 5;
  figures.max = 20;
  return figures;
}

bool Has(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("pools are exported by the names of the contract") {
  metrics::Registry registry;
  PoolTimes times;
  times.wait.Observe(std::chrono::milliseconds(2));
  Breaker breaker{BreakerOptions{}};
  breaker.ForceOpen(TimePoint{});
  (void)breaker.Allow(TimePoint{});
  const auto one = RegisterPoolMetrics(registry, "main", [&] {
    PoolFigures figures = Figures("main");
    figures.times = &times;
    figures.breaker = breaker.Snapshot(TimePoint{});
    figures.retries = RetryBudget::Snapshot{1, 6, 2};
    return figures;
  });
  const auto two = RegisterPoolMetrics(registry, "other", [] { return Figures("other"); });
  const metrics::MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.empty());
  const std::string text = metrics::Expose(snapshot);
  const std::string labels = R"({pool="main",backend="postgresql")";
  CHECK(Has(text, "perfkit_pool_connections" + labels + ",state=\"idle\"} 3"));
  CHECK(Has(text, "perfkit_pool_connections" + labels + ",state=\"used\"} 3"));
  CHECK(Has(text, "perfkit_pool_connections_max" + labels + "} 20"));
  CHECK(Has(text, "perfkit_pool_pending_requests" + labels + "} 4"));
  CHECK(Has(text, "perfkit_pool_acquires_total" + labels + ",result=\"timeout\"} 5"));
  CHECK(Has(text, "perfkit_pool_connections_closed_total" + labels + ",reason=\"lifetime\"} 7"));
  CHECK(Has(text, "perfkit_pool_connection_wait_seconds_count" + labels + "} 1"));
  CHECK(Has(text, "perfkit_pool_breaker_state" + labels + ",state=\"forced_open\"} 1"));
  CHECK(Has(text, "perfkit_pool_breaker_state" + labels + ",state=\"closed\"} 0"));
  CHECK(Has(text, "perfkit_pool_breaker_rejected_total" + labels + "} 1"));
  CHECK(Has(text, "perfkit_pool_retries_total" + labels + ",result=\"granted\"} 6"));
  CHECK(Has(text, R"(perfkit_pool_connections_max{pool="other",backend="postgresql"} 20)"));
  CHECK(text.find("hikaricp") == std::string::npos);
}

TEST_CASE("pools are exported by HikariCP's names where asked for") {
  metrics::Registry registry;
  PoolTimes times;
  times.use.Observe(std::chrono::milliseconds(250));
  const auto one = RegisterPoolMetrics(
      registry, "main",
      [&] {
        PoolFigures figures = Figures("main");
        figures.times = &times;
        return figures;
      },
      PoolNames::kHikari);
  const metrics::MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.empty());
  const std::string text = metrics::Expose(snapshot);
  for (const char* line :
       {"hikaricp_connections{pool=\"main\"} 6", "hikaricp_connections_active{pool=\"main\"} 3",
        "hikaricp_active_connections{pool=\"main\"} 3", "hikaricp_pending_threads{pool=\"main\"} 4",
        "hikaricp_connections_timeout_total{pool=\"main\"} 5",
        "hikaricp_connection_usage_millis_sum{pool=\"main\"} 250",
        "hikaricp_connections_usage_seconds_count{pool=\"main\"} 1",
        "hikaricp_connections_usage_seconds_sum{pool=\"main\"} 0.25"}) {
    CAPTURE(line);
    CHECK(Has(text, line));
  }
}

}  // namespace
}  // namespace perf::pool
