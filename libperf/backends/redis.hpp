// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/json.hpp"
#include "libperf/base/task.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {

/// One command, sent `pipeline` times in one write before the first reply is awaited.
struct RedisCommand {
  std::vector<std::string> words;
  unsigned pipeline = 1;
  bool keep_reply = false;  // whether `reply.value` is wanted
};

struct RedisReply {
  Failure failure;  // an error reply (-ERR …) is kStatus; the connection stays usable
  Timing timing;
  Json value;  // of the last reply: string, integer, null, array
  /// So many of the pipeline's commands were not carried out, because a node of a cluster sent
  /// them elsewhere, or told to try again: MOVED, ASK, TRYAGAIN, CLUSTERDOWN.
  unsigned redirected = 0;
  void Clear() noexcept;
};

/// How the servers behind one URL belong together.
enum class RedisLayout : std::uint8_t {
  kSingle,
  kHosts,     // some servers, of which the one with the wanted role is meant
  kSentinel,  // whom the Sentinels name
  kCluster,   // each key has its node
};

/// Of kHosts and kSentinel: which server is wanted.
enum class RedisRole : std::uint8_t { kPrimary, kReplica, kAny };

struct RedisHost {
  std::string host;
  std::uint16_t port = 0;
};

/// Files of rediss://, in PEM.
struct RedisTls {
  std::string ca_file;    // empty: the system's authorities
  std::string cert_file;  // of our own; empty: none
  std::string key_file;   // empty: in cert_file
  bool verify = true;
};

/// Where a Redis is, and how to get in; ParseRedisUrl makes one of a URL.
struct RedisConfig {
  /// redis://[[user]:password@]host[:port][/db], rediss:// likewise (where hiredis >= 1.0), or
  /// unix:///path[?db=N&user=U&password=P]. Beside `hosts` only scheme, user, password and db
  /// count.
  Url url;
  RedisTls tls;
  /// Where not 0: connections go to this port of 127.0.0.1 instead (a fault proxy). The name in
  /// TLS stays that of the URL. Only with kSingle.
  std::uint16_t via_port = 0;
  RedisLayout layout = RedisLayout::kSingle;
  RedisRole role = RedisRole::kPrimary;
  std::vector<RedisHost> hosts;  // servers, Sentinels, or the nodes to begin with
  std::string master_name;       // kSentinel
  /// kSentinel: of the Sentinels, where not those of `url`; an empty password: none.
  std::string sentinel_user;
  std::optional<std::string> sentinel_password;
  /// Asked before each dial to a server that Sentinels or nodes have named; none: yes to all.
  std::function<bool(std::string_view host)> may_dial;
  /// kCluster: so many connections to each node at most, and how long a dial to one may take.
  std::size_t node_connections = 10;
  Duration connect_timeout = std::chrono::seconds(3);
};

/// The forms of RedisConfig::url and, of several servers,
///   redis://[[user]:password@]h1[:p1],h2[:p2]…[/db][?role=primary|replica|any]
///   redis+sentinel://[[user]:password@]h1[:p1],h2…/master_name[?db=N&role=…&sentinel_user=U&
///     sentinel_password=P]
///   redis+cluster://[[user]:password@]h1[:p1],h2…
/// each also with rediss. Ports: 6379, of Sentinels 26379. User and password are those of the
/// servers; Sentinels are given them too, and may do without a password.
/// Throws: ConfigError that says what is wrong, without the password.
PERF_EXPORT RedisConfig ParseRedisUrl(std::string_view text);

class PERF_EXPORT RedisConnection : public Connection {
 public:
  /// Runs one command (or its pipeline); never throws for what the server did: see
  /// `reply.failure`. A time-out gives the connection up: its late reply must not reach anybody
  /// else.
  virtual Task<void> Execute(const RedisCommand& command, RedisReply& reply, Deadline deadline) = 0;
};

/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows the loop; destroyed after
/// its connections and, as pools, after EventLoop::Live() reached 0.
class PERF_EXPORT RedisConnector {
 public:
  virtual ~RedisConnector();
  /// Connects, then AUTH, SELECT and PING; with a layout of several servers to the one of the
  /// wanted role. With kCluster what it gives has no socket of its own: its commands borrow from
  /// a pool that this connector has for each node.
  virtual Task<Dialled<RedisConnection>> Dial(Deadline deadline) = 0;
  /// `listener` is called on a turn of the loop of its own when all connections dialled so far
  /// lead to the wrong server: one of them was told READONLY, MASTERDOWN, LOADING or UNBLOCKED, or
  /// the primary moved. With kHosts and kSentinel that is looked at each 250 ms while connections
  /// live. To be wired to ConnectionPool::Invalidate.
  virtual void OnStale(std::function<void()> listener) = 0;
};

/// Throws: ConfigError for rediss:// on a hiredis without TLS, files of it that are no good, or
/// via_port with several servers.
PERF_EXPORT std::unique_ptr<RedisConnector> MakeRedisConnector(EventLoop& loop, RedisConfig config);

}  // namespace perf::backends
