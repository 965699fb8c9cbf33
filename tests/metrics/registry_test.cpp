// SPDX-License-Identifier: Apache-2.0
#include "libperf/metrics/registry.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/error.hpp"

namespace perf::metrics {
namespace {

const FamilySnapshot* Find(const MetricsSnapshot& snapshot, std::string_view name) {
  for (const FamilySnapshot& family : snapshot.families) {
    if (family.spec.name == name) return &family;
  }
  return nullptr;
}

const Sample* Find(const MetricsSnapshot& snapshot, std::string_view name, const Labels& labels) {
  const FamilySnapshot* family = Find(snapshot, name);
  if (family == nullptr) return nullptr;
  for (const Sample& sample : family->samples) {
    if (sample.labels == labels) return &sample;
  }
  return nullptr;
}

FamilySpec Gauge1(std::string name, std::string help = "help") {
  return FamilySpec{std::move(name), std::move(help), Type::kGauge, "", false};
}

TEST_CASE("registry holds families with their series") {
  Registry registry;
  auto& acquires = registry.Counters(
      {.name = "perfkit_pool_acquires_total", .help = "Loans.", .labels = {"pool", "result"}});
  acquires.With({"main", "ok"}).Add(3);
  acquires.With({"main", "timeout"});
  auto& busy = registry.Counters(
      {.name = "perfkit_busy_seconds_total", .help = "Time.", .unit = "seconds", .scale = 1e-9});
  busy.With({}).Add(1'500'000'000);
  auto& used = registry.Gauges({.name = "perfkit_used", .help = "Used.", .labels = {"pool"}});
  used.With({"main"}).Set(4);
  used.With({"main"}).Add(-1.5);
  auto& waits = registry.Histograms(
      {.name = "perfkit_wait_seconds", .help = "Waits.", .unit = "seconds", .labels = {"pool"}});
  waits.With({"main"}).Observe(std::chrono::milliseconds(3));
  CHECK(&acquires.With({"main", "ok"}) == &acquires.With({"main", "ok"}));

  const MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.empty());
  REQUIRE(snapshot.families.size() == 4);
  CHECK(
      Find(snapshot, "perfkit_pool_acquires_total", {{"pool", "main"}, {"result", "ok"}})->value ==
      3);
  CHECK(Find(snapshot, "perfkit_pool_acquires_total", {{"pool", "main"}, {"result", "timeout"}})
            ->value == 0);
  CHECK(Find(snapshot, "perfkit_busy_seconds_total", {})->value == 1.5);
  CHECK(Find(snapshot, "perfkit_used", {{"pool", "main"}})->value == 2.5);
  const Sample* wait = Find(snapshot, "perfkit_wait_seconds", {{"pool", "main"}});
  REQUIRE(wait->histogram.has_value());
  CHECK(wait->histogram->Count() == 1);
  CHECK(wait->created.has_value());
}

TEST_CASE("registry refuses what is there already, malformed or too much") {
  Registry registry;
  registry.Counters({.name = "perfkit_x_total", .help = "x"});
  CHECK_THROWS_AS(registry.Counters({.name = "perfkit_x_total", .help = "x"}), Error);
  // OpenMetrics would call both of them perfkit_x.
  CHECK_THROWS_AS(registry.Gauges({.name = "perfkit_x", .help = "x"}), Error);
  CHECK_THROWS_AS(registry.Gauges({.name = "perfkit_collector_success", .help = "x"}), Error);
  CHECK_THROWS_AS(registry.Gauges({.name = "x", .help = "x"}), Error);
  CHECK_THROWS_AS(registry.Histograms({.name = "perfkit_y", .help = "y", .labels = {"le"}}), Error);
  CHECK_THROWS_AS(registry.Histograms({.name = "perfkit_y", .help = "y"}, Buckets{0, 18, 1}),
                  Error);
  auto& family =
      registry.Gauges({.name = "perfkit_z", .help = "z", .labels = {"a"}, .max_series = 2});
  family.With({"1"});
  family.With({"2"});
  CHECK_THROWS_AS(family.With({"3"}), Error);
  CHECK_THROWS_AS(family.With({}), Error);
  CHECK_NOTHROW(family.With({"1"}));
}

TEST_CASE("collectors add to common families and go with their registration") {
  Registry registry;
  const auto collect = [](std::string pool) {
    return [pool](Collection& collection) {
      collection.Value(Gauge1("perfkit_used"), {{"pool", pool}}, 1);
    };
  };
  const Registry::Registration one = registry.Collect("one", collect("one"));
  {
    const Registry::Registration two = registry.Collect("two", collect("two"));
    CHECK_THROWS_AS((void)registry.Collect("two", collect("two")), Error);
    const MetricsSnapshot snapshot = registry.Gather();
    CHECK(Find(snapshot, "perfkit_used")->samples.size() == 2);
    CHECK(Find(snapshot, "perfkit_collector_success", {{"collector", "two"}})->value == 1);
  }
  const MetricsSnapshot snapshot = registry.Gather();
  CHECK(Find(snapshot, "perfkit_used")->samples.size() == 1);
  CHECK_NOTHROW((void)registry.Collect("two", collect("two")));
}

TEST_CASE("what a collector does wrong is told and leaves the rest alone") {
  Registry registry;
  registry.Gauges({.name = "perfkit_own", .help = "own"}).With({}).Set(5);
  const auto good = registry.Collect(
      "a-good", [](Collection& collection) { collection.Value(Gauge1("perfkit_aa"), {}, 1); });
  const auto twice = registry.Collect("b-twice", [](Collection& collection) {
    collection.Value(Gauge1("perfkit_aa"), {}, 2);
    collection.Value(Gauge1("perfkit_bb"), {}, 3);
  });
  const auto other = registry.Collect("c-other-help", [](Collection& collection) {
    collection.Value(Gauge1("perfkit_own", "not the same"), {{"x", "y"}}, 2);
  });
  const auto throws = registry.Collect("d-throws", [](Collection& collection) {
    collection.Value(Gauge1("perfkit_dd"), {}, 4);
    throw std::runtime_error("no connection");
  });
  const auto invalid = registry.Collect(
      "e-invalid", [](Collection& collection) { collection.Value(Gauge1("d"), {}, 4); });
  const MetricsSnapshot snapshot = registry.Gather();
  CHECK(snapshot.errors.size() == 4);
  CHECK(Find(snapshot, "perfkit_aa", {})->value == 1);
  CHECK(Find(snapshot, "perfkit_bb", {})->value == 3);
  CHECK(Find(snapshot, "perfkit_dd", {})->value == 4);
  CHECK(Find(snapshot, "perfkit_own")->samples.size() == 1);
  for (const char* name : {"b-twice", "c-other-help", "d-throws", "e-invalid"}) {
    CHECK(Find(snapshot, "perfkit_collector_success", {{"collector", name}})->value == 0);
  }
  CHECK(Find(snapshot, "perfkit_collector_success", {{"collector", "a-good"}})->value == 1);
}

TEST_CASE("a collector may remove itself, and a registration may outlive the registry") {
  auto registry = std::make_unique<Registry>();
  std::optional<Registry::Registration> self;
  int runs = 0;
  self = registry->Collect("self", [&](Collection&) {
    ++runs;
    self.reset();
  });
  auto other = registry->Collect("other", [](Collection&) {});
  (void)registry->Gather();
  (void)registry->Gather();
  CHECK(runs == 1);
  registry.reset();
  other.Release();
  CHECK_FALSE(static_cast<bool>(other));
}

TEST_CASE("counters are exact between threads, and a collector never runs once it is gone") {
  Registry registry;
  auto& family = registry.Counters({.name = "perfkit_x_total", .help = "x", .labels = {"t"}});
  constexpr int kThreads = 4, kTimes = 20'000;
  std::atomic<bool> stop{false};
  std::thread scraper([&] {
    while (!stop.load()) (void)registry.Gather();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Counter& own = family.With({std::to_string(t)});
      Counter& common = family.With({"common"});
      for (int i = 0; i < kTimes; ++i) {
        own.Add();
        common.Add(2);
        if (i % 1000 != 0) continue;
        // Freed right after it is unregistered: a late run would read freed memory.
        auto value = std::make_unique<double>(1);
        const auto registration =
            registry.Collect("c" + std::to_string(t), [&value](Collection& collection) {
              collection.Value(Gauge1("perfkit_y"), {}, *value);
            });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  scraper.join();
  const MetricsSnapshot snapshot = registry.Gather();
  for (int t = 0; t < kThreads; ++t) {
    CHECK(Find(snapshot, "perfkit_x_total", {{"t", std::to_string(t)}})->value == kTimes);
  }
  CHECK(Find(snapshot, "perfkit_x_total", {{"t", "common"}})->value == 2 * kThreads * kTimes);
}

TEST_CASE("gauges add, keep a maximum and are exact between threads") {
  Gauge gauge, peak;
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i) {
        gauge.Add(i % 2 == 0 ? 2 : -1);
        peak.SetMax(t * i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(gauge.Value() == 20'000);
  CHECK(peak.Take(1) == 4 * 9'999);
  CHECK(peak.Value() == 1);
}

}  // namespace
}  // namespace perf::metrics
