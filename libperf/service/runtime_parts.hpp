// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "libperf/base/guarded.hpp"
#include "libperf/service/access.hpp"
#include "libperf/service/audit.hpp"
#include "libperf/service/router.hpp"
#include "libperf/service/run_directory.hpp"
#include "libperf/service/runtime.hpp"
#include "libperf/service/status_rows.hpp"
#include "libperf/service/subjects.hpp"

namespace perf::service {

/// The parts of a Runtime, in the order in which they are made.
struct Runtime::Parts {
  explicit Parts(RuntimeOptions the_options);

  void AddRoutes();
  void AddReading();
  Reply ReadMetrics(const Request& request) const;
  Reply ReadHealth(HealthBoard::Group group) const;
  Reply ChangeSomething(const Request& request, const std::string& who);

  void SampleLoop();
  void Sample();
  report::StatusDocument Document(TimePoint now);

  const RuntimeOptions options;
  const WallTime started_wall = std::chrono::system_clock::now();
  const TimePoint started = Clock::now();
  metrics::Registry own_registry;
  metrics::Registry& registry;
  HealthBoard health;
  Heartbeat sampler_heart;
  AuditLog audit;
  Access access;
  Subjects subjects;
  std::vector<metrics::Registry::Registration> registrations;
  Sampled sampled;
  Alerts alerts;
  AlertRows alert_rows;
  MoreRows more_rows;
  History history;
  StatusRows rows;  // of the sampler's thread
  /// Newest answers, made once a sample: who asks often costs nothing.
  struct Answers {
    std::shared_ptr<const std::string> overview, pools, caches, audio;
  };
  Guarded<Answers> answers;
  Guarded<std::string> trouble;  // of the last sample
  std::atomic<TimePoint::rep> sampled_at{0};
  metrics::Family<metrics::Counter>& actions;
  std::mutex changing;  // one change at a time
  Router router;
  UnixListener socket;
  std::optional<Address> listening;
  std::unique_ptr<Front> front;
  std::mutex stop_mutex;
  std::condition_variable stop_changed;
  bool stop_asked = false;
  bool draining = false;
  std::thread sampler;
};

}  // namespace perf::service
