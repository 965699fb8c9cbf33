// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/speech_server.hpp"
#include "libperf/backends/topology.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

class GuardianLink;

/// One target with `url: private`.
struct PrivateSpec {
  enum class Kind { kPostgres, kRedis, kSpeech };
  std::string name;  // of the target; unique within one call of Start
  Kind kind = Kind::kPostgres;
  SpeechConfig speech;
  Topology topology = Topology::kSingle;
};

/// Where things are looked for and put; the defaults suit everybody but tests.
struct PrivateOptions {
  /// Directory for the temporary directory; empty: $TMPDIR, else /dev/shm where that is a memory
  /// file system with 2 GiB free, else /tmp.
  std::string temporary;
  /// Directories with the binaries, separated by ':'; empty: $PATH and the places of Debian.
  std::string search_path;
  /// Whom root becomes; empty: postgres, redis or nobody, the first that exists.
  std::string user;
};

/// Real servers for one run, in a process group, session and 0700 directory of their own
/// (perfkit-UID-XXXXXX). A small guardian process, forked here, starts them and ends
/// them when this object goes or this process ends in any way; if the guardian itself is
/// killed, the kernel ends the servers and the next Start removes the directory. Ctrl-C in a
/// terminal reaches none of them, so that a run can still write its results.
/// Thread safety: const methods and Act; the others none, and not while those run.
/// Lifetime: Start before the process has other threads (it forks without exec).
class PERF_EXPORT PrivateServers {
 public:
  /// Returns when every server answers, replicas have caught up, and Sentinels and cluster agree.
  /// Throws: UnreachableError naming the target, what is missing and the package that brings it,
  /// or what the server's log says; ConfigError for two targets of one name, or a topology that
  /// its kind does not have.
  static PrivateServers Start(std::span<const PrivateSpec> specs, Deadline deadline,
                              const PrivateOptions& options = {});

  PrivateServers() noexcept;  // none
  PrivateServers(PrivateServers&& other) noexcept;
  PrivateServers& operator=(PrivateServers&& other) noexcept;
  ~PrivateServers();
  /// What the destructor does: stops all and removes the directory; returns when that is done,
  /// after at most 12 s.
  void Stop() noexcept;

  /// Blocks until it is done: killed processes are gone; stopped ones have their signal; a
  /// restarted server answers and, where all nodes of its target live, replicates again; a
  /// promoted one takes writes. Actions of several threads take turns.
  /// Without `node` it is the one that a fault is usually about: kill and stop mean the current
  /// primary (of a cluster node 0); continue all stopped nodes; promote the first replica that
  /// lives; restart a node that is down, else a primary that another one has replaced, else the
  /// primary. A node that is alive is shut down in good order before its restart. Where another
  /// node was promoted by Act, PostgreSQL and Redis (without Sentinels) come back as its replica.
  /// Data: with a replica or as a cluster nothing acknowledged is lost by a kill; kSingle is made
  /// for speed: PostgreSQL recovers all but the last 0.6 s of commits, Redis comes back empty.
  /// Throws: Error for an unknown target, a node that it lacks, or an action without sense there;
  /// IoError when it failed or was not done by the deadline.
  void Act(std::string_view name, ServerAction action, std::optional<std::size_t> node,
           Deadline deadline);

  bool Has(std::string_view name) const noexcept;
  /// The address of a target as a whole:
  ///   postgres "host=/dir port=5432 user=postgres dbname=postgres"; with a replica
  ///     "host=/dir0,/dir1 … target_session_attrs=read-write"
  ///   redis "unix:///dir/redis.sock"; kPrimaryReplica
  ///   "redis://:PASSWORD@127.0.0.1:P0,127.0.0.1:P1"
  ///     (as libpq: any of them may be the primary); kSentinel "redis+sentinel://:PASSWORD@
  ///     127.0.0.1:P3,127.0.0.1:P4,127.0.0.1:P5/MASTER_NAME", the password being that of Sentinels
  ///     and servers; kCluster "redis+cluster://:PASSWORD@127.0.0.1:P0,127.0.0.1:P1,127.0.0.1:P2"
  ///   speech "http://127.0.0.1:PORT"
  /// Throws: Error for an unknown name. ResolveTopologyUrl gives one that a run can use.
  const std::string& Url(std::string_view name) const;
  Topology TopologyOf(std::string_view name) const;
  std::size_t Nodes(std::string_view name) const;
  /// "primary", "replica" or "sentinel", as it was started.
  const std::string& Role(std::string_view name, std::size_t node) const;
  /// Of that node alone, for any client.
  const std::string& NodeUrl(std::string_view name, std::size_t node) const;
  /// -1 while it is down.
  pid_t Pid(std::string_view name, std::size_t node = 0) const;
  pid_t GuardianPid() const noexcept { return guardian_; }
  const std::string& Directory() const noexcept { return directory_; }

 private:
  struct Node {
    std::string role;
    std::string url;
  };
  struct Target {
    std::size_t index = 0;  // of the spec
    Topology topology = Topology::kSingle;
    std::string url;
    std::vector<Node> nodes;
  };
  static PrivateServers StartOnce(std::span<const PrivateSpec> specs, Deadline deadline,
                                  const PrivateOptions& options);
  const Target& Find(std::string_view name) const;
  const Node& Find(std::string_view name, std::size_t node) const;
  void AwaitReady(std::span<const PrivateSpec> specs, Deadline deadline);
  /// True at the last line.
  bool Learn(std::span<const PrivateSpec> specs, std::string_view line);

  std::map<std::string, Target, std::less<>> targets_;
  std::string directory_;
  pid_t guardian_ = -1;
  std::unique_ptr<GuardianLink> link_;
};

}  // namespace perf::backends
