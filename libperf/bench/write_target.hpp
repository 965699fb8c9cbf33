// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/task.hpp"

namespace perf::bench {

/// What became of one connection.
struct Life {
  TimePoint dialled{};
  TimePoint gone = TimePoint::max();
  std::uint64_t failed_writes = 0;
};
/// Of all connections, in the order of their dials.
using Ledger = std::deque<Life>;

/// A target with several servers, one of which takes writes; its connections are followed from
/// dial to end.
/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows loop and ledger.
class WriteTarget {
 public:
  virtual ~WriteTarget() = default;
  virtual Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline) = 0;
  /// Writes a number, which the server has to acknowledge. Notes a failure in the connection's
  /// life.
  virtual Task<void> Write(backends::Connection& connection, std::uint64_t number,
                           backends::Failure& failure, Deadline deadline) = 0;
  /// All numbers that the server has, in any order.
  virtual Task<void> Read(backends::Connection& connection, std::vector<std::uint64_t>& numbers,
                          backends::Failure& failure, Deadline deadline) = 0;
  /// `call`: all connections dialled so far lead to the wrong server.
  virtual void OnStale(std::function<void()> call) = 0;
};

/// Makes the table that the PostgreSQL variant writes to. Throws: ConfigError, IoError.
std::unique_ptr<WriteTarget> MakeWriteTarget(backends::EventLoop& loop,
                                             backends::PrivateSpec::Kind kind,
                                             const std::string& url, Ledger& ledger);

}  // namespace perf::bench
