// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace perf::backends {

/// Of which servers a private target consists: its nodes, counted from 0.
enum class Topology {
  kSingle,
  kPrimaryReplica,  // 0 the primary, 1 its replica (PostgreSQL, Redis)
  kSentinel,        // Redis: 0 the primary, 1 and 2 its replicas, 3 to 5 the Sentinels
  kCluster,         // Redis: 0 to 2, masters of a third of the 16384 slots each
};

/// What can be done to a node while the run goes on.
enum class ServerAction {
  kKill,      // SIGKILL to all its processes at once, as a crash would
  kStop,      // SIGSTOP to all its processes: it takes connections (the kernel does) and is mute
  kContinue,  // SIGCONT to them
  kRestart,   // starts it again at the same address, with the data that a crash leaves
  kPromote,   // makes a replica the primary; with Sentinels asks one of them for a failover
};

}  // namespace perf::backends
