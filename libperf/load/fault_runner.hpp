// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/load/result.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::load {

/// Carries out the faults of a scenario: a proxy before each target that has faults of the
/// network, and threads that keep the timeline, one for the network and one for the servers, whose
/// actions take seconds.
/// Thread safety: none; the servers are not to be used by others between Start and Stop.
/// Lifetime: borrows scenario and servers; made after the servers were started (they fork).
class PERF_EXPORT FaultRunner {
 public:
  /// `urls` by target, as for Engine. Throws: ConfigError for a target that no proxy can stand
  /// before; IoError where a proxy cannot listen.
  FaultRunner(const Scenario& scenario, const std::vector<std::string>& urls,
              backends::PrivateServers& servers);
  ~FaultRunner();

  /// By target: the port of its proxy on 127.0.0.1, 0 for none.
  std::vector<std::uint16_t> ViaPorts() const;
  /// Why the proxy of a target could not reach it; empty where it could, or has no proxy.
  std::string WhyUnreachable(std::size_t target) const;
  /// Begins the timeline; `start` is the run's.
  void Start(TimePoint start);
  /// Ends it, and what lasts: the network is whole again, and what a fault would have brought back
  /// is back.
  void Stop();
  /// In the order of the scenario; after Stop.
  std::vector<FaultResult> Results();

 private:
  struct Event {
    Duration at{};
    bool begin = false;
    std::size_t fault = 0;
  };

  std::vector<Event> Timeline(bool network) const;
  void Keep(const std::stop_token& stop, const std::vector<Event>& events);
  void CarryOut(const Event& event);
  void Apply(const FaultSpec& fault, bool begin);
  bool Lasts(std::size_t fault);
  void EndRest(bool network);

  const Scenario& scenario_;
  backends::PrivateServers& servers_;
  std::vector<std::unique_ptr<backends::FaultProxy>> proxies_;  // by target
  TimePoint start_{};
  Guarded<std::vector<FaultResult>> results_;
  std::jthread network_;
  std::jthread actions_;
};

}  // namespace perf::load
