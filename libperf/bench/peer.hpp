// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/http.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/backends/private_servers.hpp"
#include "libperf/backends/redis.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/task.hpp"
#include "libperf/load/one_liner.hpp"
#include "libperf/load/scenario.hpp"

namespace perf::bench {

/// A target and the one request that is sent to it, as a one-liner of perfctl describes them.
struct PeerSpec {
  load::OneLiner line;
  load::TargetSpec target;
};

/// Checks lines as perfctl does: hosts that are not allowed are refused. Targets are named by kind.
/// Throws: ConfigError, UsageError.
std::vector<PeerSpec> ResolvePeers(const std::vector<load::OneLiner>& lines,
                                   const std::vector<std::string>& allow_hosts);

/// Starts what is private of them. Throws: UnreachableError.
backends::PrivateServers StartPrivate(const std::vector<PeerSpec>& peers);
/// Where the target is.
std::string UrlOf(const PeerSpec& peer, const backends::PrivateServers& servers);

/// One real server, without a pool: dials and requests.
/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows loop and spec.
class Peer {
 public:
  Peer(backends::EventLoop& loop, const PeerSpec& spec, const std::string& url);

  Task<backends::Dialled<backends::Connection>> Dial(Deadline deadline);
  /// `last`: the connection is given up afterwards, and HTTP says so.
  Task<void> Request(backends::Connection& connection, bool last, backends::Failure& failure,
                     Deadline deadline);
  bool Encrypted() const noexcept { return encrypted_; }

 private:
  const PeerSpec& spec_;
  bool encrypted_ = false;
  std::unique_ptr<backends::HttpConnector> http_;
  std::unique_ptr<backends::PostgresConnector> postgres_;
  std::unique_ptr<backends::RedisConnector> redis_;
  backends::HttpRequest kept_, closed_;
  backends::SqlStatement statement_;
  std::vector<backends::SqlParameter> parameters_;
  backends::RedisCommand command_;
};

/// "http", "postgres" or "redis".
const char* KindName(load::TargetKind kind) noexcept;

}  // namespace perf::bench
