// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "libperf/backends/connection.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends {

/// Adapts a connector's typed dial to the one that pools ask for.
/// Thread safety: as the connector's Dial. Lifetime: the connector outlives the dial.
template <typename Connector>
Task<Dialled<Connection>> DialWith(Connector& connector, Deadline deadline) {
  auto typed = co_await connector.Dial(deadline);
  Dialled<Connection> plain;
  plain.connection = std::move(typed.connection);
  plain.failure = std::move(typed.failure);
  co_return plain;
}

}  // namespace perf::backends
