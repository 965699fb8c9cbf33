// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libperf/backends/private_servers.hpp"
#include "libperf/backends/server_plan.hpp"
#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// The address that a run's connector takes for a private target, whatever its topology: the one
/// place to change when connectors learn more. Throws: ConfigError for what they cannot use.
PERF_EXPORT std::string ResolveTopologyUrl(const PrivateServers& servers, std::string_view name);

// What follows is for the guardian and its children. Thread safety: none.

/// Redis with more than one node.
TargetPlan PlanRedisTopology(const PrivateSpec& spec, const ServerSite& site,
                             const std::string& server);

/// Waits until one replica streams from that PostgreSQL. Throws: IoError at the deadline.
void AwaitReplication(const std::string& conninfo, Deadline deadline);
/// pg_promote, and until the server takes writes. Throws: IoError.
void PromotePostgres(const std::string& conninfo, Deadline deadline);

/// A port of 127.0.0.1 that this process keeps bound, without listening, for as long as it lives:
/// nobody gets it by chance, also not while the server that uses it is down; a server that sets
/// SO_REUSEADDR (as Redis does) can still listen there. `with_bus`: also the one 10000 above.
/// Throws: UnreachableError.
std::uint16_t HoldPort(bool with_bus);
/// 2 * `bytes` hexadecimal digits of the kernel's randomness.
std::string RandomHex(std::size_t bytes);

/// A Redis by its port on 127.0.0.1 and its password.
struct RedisDoor {
  std::uint16_t port = 0;
  std::string password;
};
/// The whole reply to one inline command (`words` without blanks within), as it came ("+OK\r\n",
/// "-ERR …"), or empty where there is none within `patience`. Short for those who ask again, long
/// for what is asked once.
std::string AskRedis(const RedisDoor& door, std::string_view command,
                     Duration patience = std::chrono::milliseconds(200));

}  // namespace perf::backends
