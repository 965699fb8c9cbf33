// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libperf/backends/http.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/backends/topology.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/url.hpp"
#include "libperf/load/arrivals.hpp"
#include "libperf/load/audio_spec.hpp"
#include "libperf/load/cache_spec.hpp"
#include "libperf/load/data.hpp"
#include "libperf/load/fault.hpp"
#include "libperf/load/step.hpp"
#include "libperf/load/template.hpp"
#include "libperf/load/threshold.hpp"

namespace perf::load {

enum class TargetKind { kHttp, kPostgres, kRedis };

struct PoolSpec {
  std::size_t min = 0;
  std::size_t max = 10;
  Duration acquire_timeout = std::chrono::seconds(5);
  Duration idle_timeout = std::chrono::minutes(10);
  // Kind postgres:
  backends::PostgresReset reset = backends::PostgresReset::kRollback;
  std::vector<std::string> init;
};

struct TargetSpec {
  std::string name;
  TargetKind kind = TargetKind::kHttp;
  std::string url;  // as resolved, with its secret; "private" where `is_private`
  bool is_private = false;
  backends::Topology topology = backends::Topology::kSingle;  // of private servers
  std::string host;             // for the allow rule: empty for unix sockets and private servers
  std::set<std::string> allow;  // kind redis: whom Sentinels and nodes may name, in lower case
  PoolSpec pool;
  Duration timeout = std::chrono::seconds(10);  // of one request
  Duration connect_timeout = std::chrono::seconds(3);
  backends::RedisTls redis_tls;
  backends::HttpConfig http;  // kind http; `base` is filled in at start for private ones
  bool traceparent = false;   // W3C trace context header on each request
  bool prepared = true;       // kind postgres
  std::string speech_first_byte = "0ms";  // kind http, private: a distribution
  double speech_pace = 0;                 // multiple of real time; 0: as fast as possible
};

struct FlowSpec {
  std::string name;
  std::vector<Step> steps;
};

struct LoadSpec {
  std::string name;
  std::size_t flow = 0;  // index into Scenario::flows
  enum class Kind { kRate, kUsers, kIterations } kind = Kind::kRate;
  ArrivalPlan arrivals;          // kRate; `length` includes the warm-up
  std::size_t users = 1;         // kUsers, kIterations
  std::uint64_t iterations = 0;  // kIterations: over all users
  Duration length{};  // kRate, kUsers; for kIterations the longest it may take (0: no bound)
  Duration think{};   // pause after each iteration of a user
  Duration pacing{};  // an iteration starts at most this often per user
  Duration warmup{};  // from the load's start; what starts in it is left out of the verdict
  Duration start{};   // offset from the run's start
  // Index of the load whose end it starts at: the planned one, or the real one of kIterations.
  std::optional<std::size_t> after;
  std::size_t max_waiting = 10'000;
  Duration drain = std::chrono::seconds(10);  // how long the started ones may take after the end
};

/// Administration before and after the run.
struct AdminStep {
  std::size_t target = 0;
  std::vector<std::string> sql;                 // kind postgres
  std::vector<std::vector<std::string>> redis;  // kind redis
  std::string http_method;                      // kind http
  std::string http_path;
  std::string http_body;
};

/// A whole scenario, checked: every name resolved, every value in range.
/// Thread safety: const after parsing. Lifetime: a run borrows it.
struct PERF_EXPORT Scenario {
  std::string name;
  std::string description;
  std::string source;  // the file as named by the user, or "-"
  std::string hash;    // sha-256 of the resolved document without secrets, hex
  std::uint64_t seed = 1;
  Symbols symbols;
  std::vector<std::string> data_names;
  std::vector<DataSet> data;
  std::vector<TargetSpec> targets;
  std::vector<CacheSpec> caches;
  AudioSpec audio;
  bool plays = false;  // some step does
  std::vector<AdminStep> setup;
  std::vector<FlowSpec> flows;
  std::vector<LoadSpec> loads;
  std::vector<FaultSpec> faults;
  std::vector<ThresholdSpec> thresholds;
  std::vector<AdminStep> teardown;
  std::set<std::string> allow;

  /// From the run's start: `start`, or the planned end of the load that it comes after; nothing
  /// where that one is of kIterations, which ends when it is done.
  std::optional<Duration> PlannedStart(std::size_t load) const;
  /// The planned end of a load that has one, from the run's start: not that of kIterations.
  std::optional<Duration> PlannedEnd(std::size_t load) const;
};

/// The requests of a flow in the order of their `request_id`, which counts from 0 without gaps.
/// Lifetime: points into the flow.
PERF_EXPORT std::vector<const Step*> Requests(const FlowSpec& flow);

}  // namespace perf::load
