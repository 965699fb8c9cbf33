// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"

namespace perf::load {

/// One entry of the scenario's `faults`: something that befalls a target at a time of the run.
struct FaultSpec {
  std::size_t target = 0;  // index into Scenario::targets
  Duration at{};           // from the run's start
  Duration length{};       // 0: at once and once
  std::string kind;        // "latency", "reset", "kill" …; several joined by '+'
  std::string text;        // "latency 50ms, jitter 10ms", for people

  backends::Fault network;  // what holds for `length`; nothing where `action` is given
  backends::Harm strike = backends::Harm::kNone;  // kReset or kHalfClose: once

  std::optional<backends::ServerAction> action;
  std::optional<backends::ServerAction> undo;  // after `length`: continue or restart
  std::optional<std::size_t> node;

  bool OfNetwork() const noexcept { return !action.has_value(); }
};

}  // namespace perf::load
