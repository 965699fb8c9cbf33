// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "libperf/backends/connection.hpp"
#include "libperf/base/task.hpp"

namespace perf::monitor {

/// One connection that is used by one probe after the other.
/// Thread safety: none. Lifetime: goes before the connector's loop.
template <typename Connector, typename Connection>
class KeptConnection {
 public:
  explicit KeptConnection(std::unique_ptr<Connector> connector)
      : connector_(std::move(connector)) {}

  /// Makes sure of a connection; `failure` says why there is none. Gives whether it is a new one.
  Task<bool> Ready(backends::Failure& failure, Deadline deadline) {
    failure.Clear();
    if (connection_ && connection_->Alive()) co_return false;
    connection_.reset();
    auto dialled = co_await connector_->Dial(deadline);
    connection_ = std::move(dialled.connection);
    failure = std::move(dialled.failure);
    co_return true;
  }
  /// Whether a failed request should be tried on a new connection: the old one may have died since
  /// the last probe, which says nothing of the server. What cannot be used again goes.
  bool RetryAfter(const backends::Failure& failure, bool is_new) noexcept {
    if (connection_ && connection_->Reusable()) return false;
    connection_.reset();
    return failure && !is_new && failure.kind != ErrorKind::kTimeout;
  }
  Connection& Get() noexcept { return *connection_; }
  void Close() noexcept { connection_.reset(); }

 private:
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace perf::monitor
