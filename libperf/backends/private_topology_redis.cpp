// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/private_topology.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kStep = 10ms;
constexpr auto kOnce = 5s;  // for the reply to what is said once
constexpr std::size_t kSlots = 16384;
constexpr std::string_view kMasterName = "perfkit";

/// Data nodes first, then Sentinels.
struct Group {
  std::string server;
  std::string label;
  std::string directory;
  std::string password;
  std::vector<std::string> places;
  std::vector<RedisDoor> doors;
  std::vector<std::string> ids;  // of Sentinels
  std::size_t data = 0;          // so many nodes hold data

  bool HasSentinels() const { return doors.size() > data; }
  std::string Directory(std::size_t node) const { return directory + "/" + places[node]; }
  std::string Config(std::size_t node) const { return Directory(node) + "/redis.conf"; }
  std::string Address(std::size_t node) const {
    return fmt::format("127.0.0.1:{}", doors[node].port);
  }
};

bool Says(std::string_view reply, std::string_view text) {
  return reply.find(text) != std::string_view::npos;
}

std::size_t Count(std::string_view reply, std::string_view text) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = reply.find(text, at)) != std::string_view::npos; ++at) ++n;
  return n;
}

template <typename Condition>
void Await(Deadline deadline, const std::string& what, Condition condition) {
  while (!condition()) {
    if (deadline.Passed(Clock::now())) throw IoError(what);
    std::this_thread::sleep_for(kStep);
  }
}

/// What every node has. The password is only in files of a 0700 directory: arguments can be read
/// by every user.
std::string CommonConfig(const Group& group, std::size_t node) {
  return fmt::format(
      "bind 127.0.0.1\nport {}\ndir {}\nrequirepass {}\ndaemonize no\nloglevel warning\n",
      group.doors[node].port, group.Directory(node), group.password);
}

/// A log of the changes survives a crash of the process, which is all that happens here: it is
/// never forced to disk.
std::string DataConfig(const Group& group, std::size_t node) {
  return CommonConfig(group, node) +
         fmt::format(
             "masterauth {}\nsave \"\"\nappendonly yes\nappendfsync no\n"
             "repl-diskless-sync yes\nrepl-diskless-sync-delay 0\n"
             "repl-ping-replica-period 1\nrepl-timeout 5\n",
             group.password);
}

/// Sentinels know one another from the start: by themselves they would need 2 s to meet, and up
/// to 10 s to learn of the replicas.
std::string SentinelConfig(const Group& group, std::size_t node) {
  std::string text = CommonConfig(group, node);
  text += fmt::format("sentinel myid {}\n", group.ids[node]);
  text += fmt::format("sentinel monitor {} 127.0.0.1 {} 2\n", kMasterName, group.doors[0].port);
  text += fmt::format("sentinel auth-pass {} {}\n", kMasterName, group.password);
  text += fmt::format("sentinel down-after-milliseconds {} 1000\n", kMasterName);
  text += fmt::format("sentinel failover-timeout {} 3000\n", kMasterName);
  text += fmt::format("sentinel parallel-syncs {} 2\n", kMasterName);
  for (std::size_t i = 1; i < group.data; ++i)
    text +=
        fmt::format("sentinel known-replica {} 127.0.0.1 {}\n", kMasterName, group.doors[i].port);
  for (std::size_t i = group.data; i < group.doors.size(); ++i)
    if (i != node)
      text += fmt::format("sentinel known-sentinel {} 127.0.0.1 {} {}\n", kMasterName,
                          group.doors[i].port, group.ids[i]);
  return text;
}

std::string ClusterConfig(const Group& group, std::size_t node) {
  return DataConfig(group, node) +
         "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout 2000\n";
}

std::string ConfigOf(const Group& group, Topology topology, std::size_t node) {
  if (node >= group.data) return SentinelConfig(group, node);
  if (topology == Topology::kCluster) return ClusterConfig(group, node);
  std::string text = DataConfig(group, node);
  // Sentinels have servers write their role there. Without Sentinels it is an argument, which a
  // promoted replica does not get again.
  if (topology == Topology::kSentinel && node > 0)
    text += fmt::format("replicaof 127.0.0.1 {}\n", group.doors[0].port);
  return text;
}

Group MakeGroup(const PrivateSpec& spec, const ServerSite& site, const std::string& server) {
  const bool cluster = spec.topology == Topology::kCluster;
  const bool sentinel = spec.topology == Topology::kSentinel;
  Group group;
  group.server = server;
  group.label = fmt::format("target {}: private Redis", spec.name);
  group.directory = site.directory;
  group.password = RandomHex(16);
  group.data = cluster || sentinel ? 3 : 2;
  const std::size_t nodes = sentinel ? 6 : group.data;
  for (std::size_t node = 0; node < nodes; ++node) {
    group.places.push_back(fmt::format("redis{}-{}", site.index, node));
    group.doors.push_back({HoldPort(cluster), group.password});
    group.ids.push_back(RandomHex(20));
  }
  for (std::size_t node = 0; node < nodes; ++node) {
    std::error_code error;
    fs::create_directory(group.Directory(node), error);
    std::ofstream file(group.Config(node));
    file << ConfigOf(group, spec.topology, node);
    if (error || !file.flush())
      throw UnreachableError(fmt::format("{}: cannot write {}", group.label, group.Config(node)));
  }
  return group;
}

/// Whether a replica has all that its primary had when it connected.
bool IsInSync(const RedisDoor& door) {
  return Says(AskRedis(door, "INFO replication"), "master_link_status:up");
}

bool IsPrimary(const RedisDoor& door) {
  return Says(AskRedis(door, "INFO replication"), "role:master");
}

std::vector<ServerCommand> StartCommands(const Group& group, std::size_t node,
                                         const Comeback& comeback) {
  ServerCommand command;
  command.argv = {group.server, group.Config(node)};
  if (node >= group.data) command.argv.emplace_back("--sentinel");
  if (comeback.primary) {
    command.argv.emplace_back("--replicaof");
    command.argv.push_back("127.0.0.1");
    command.argv.push_back(std::to_string(group.doors[*comeback.primary].port));
  }
  return {command};
}

ServerPlan PlanNode(const Group& group, std::size_t node, Topology topology) {
  ServerPlan plan;
  plan.label = fmt::format("{}'s node {}", group.label, node);
  plan.place = group.places[node];
  plan.url = fmt::format("redis://:{}@{}", group.password, group.Address(node));
  const bool replica = topology == Topology::kPrimaryReplica && node > 0;
  plan.stages = StartCommands(group, node, replica ? Comeback{0, false} : Comeback{});
  plan.again = [group, node](const Comeback& comeback) {
    return StartCommands(group, node, comeback);
  };
  const RedisDoor door = group.doors[node];
  plan.answers = [door] { return AskRedis(door, "PING") == "+PONG\r\n"; };
  plan.ready = plan.answers;
  plan.death_signal = SIGKILL;
  // Since version 7 a primary would wait for its replicas, which may be ending, too.
  plan.stop = {{SIGTERM, 300ms}, {SIGKILL, 1s}};
  if (topology == Topology::kCluster) return plan;
  if (node >= group.data) {
    plan.role = "sentinel";
    // A Sentinel asks replicas how they are every 10 s: at the first time they should be well.
    plan.after = group.data;
  } else if (node > 0) {
    plan.role = "replica";
    plan.after = 1;  // one that finds no primary tries again after a second
    plan.ready = [door] { return IsInSync(door); };
  }
  return plan;
}

/// The node that the first Sentinel which answers names.
std::optional<std::size_t> Elected(const Group& group) {
  for (std::size_t i = group.data; i < group.doors.size(); ++i) {
    const std::string reply =
        AskRedis(group.doors[i], fmt::format("SENTINEL GET-MASTER-ADDR-BY-NAME {}", kMasterName));
    for (std::size_t node = 0; node < group.data; ++node)
      if (Says(reply, fmt::format("\r\n{}\r\n", group.doors[node].port))) return node;
  }
  return std::nullopt;
}

void SettleReplication(const Group& group, std::size_t primary, Deadline deadline) {
  Await(deadline, "a replica is not in step", [&] {
    const std::string info = AskRedis(group.doors[primary], "INFO replication");
    return Count(info, "state=online") + 1 >= group.data;
  });
}

void SettleSentinels(const Group& group, Deadline deadline) {
  // Whoever is not well has more flags than that one: "s_down,slave,disconnected".
  const auto all_well = [&](std::size_t sentinel, std::string_view what, std::string_view flag,
                            std::size_t count) {
    const std::string reply =
        AskRedis(group.doors[sentinel], fmt::format("SENTINEL {} {}", what, kMasterName));
    return Count(reply, fmt::format("\r\nflags\r\n${}\r\n{}\r\n", flag.size(), flag)) == count;
  };
  for (std::size_t i = group.data; i < group.doors.size(); ++i) {
    Await(deadline, "a Sentinel does not see the others", [&] {
      return all_well(i, "SENTINELS", "sentinel", group.doors.size() - group.data - 1) &&
             all_well(i, "REPLICAS", "slave", group.data - 1) &&
             AskRedis(group.doors[i], fmt::format("SENTINEL CKQUORUM {}", kMasterName))
                 .starts_with("+OK");
    });
  }
}

void PromoteBySentinel(const Group& group, Deadline deadline) {
  std::optional<std::size_t> before;
  Await(deadline, "no Sentinel answers", [&] { return (before = Elected(group)).has_value(); });
  // On a busy machine one may not know yet of a replica that is good enough.
  std::string reply;
  Await(deadline, "no Sentinel begins a failover", [&] {
    for (std::size_t i = group.data; i < group.doors.size(); ++i) {
      reply = AskRedis(group.doors[i], fmt::format("SENTINEL FAILOVER {}", kMasterName), kOnce);
      // One that is under way already is as good.
      if (reply.starts_with("+") || Says(reply, "INPROG")) return true;
    }
    return !reply.empty() && !Says(reply, "NOGOODSLAVE");
  });
  if (!reply.starts_with("+") && !Says(reply, "INPROG")) throw IoError(std::string(Trim(reply)));
  Await(deadline, "the Sentinels did not finish the failover", [&] {
    const auto now = Elected(group);
    return now && now != before && IsPrimary(group.doors[*now]);
  });
}

void PromoteReplica(const RedisDoor& door, Deadline deadline) {
  const std::string reply = AskRedis(door, "REPLICAOF NO ONE", kOnce);
  if (!reply.starts_with("+OK"))
    throw IoError(reply.empty() ? "it does not answer" : std::string(Trim(reply)));
  Await(deadline, "it did not become the primary", [&] { return IsPrimary(door); });
}

/// Slots in equal parts, an epoch for each master, and everybody introduced to everybody: what
/// `redis-cli --cluster create` does.
void JoinCluster(const Group& group) {
  const auto must = [&](std::size_t node, const std::string& command) {
    const std::string reply = AskRedis(group.doors[node], command, kOnce);
    if (!reply.starts_with("+OK"))
      throw IoError(fmt::format("node {}: {}", node, Excerpt(Trim(reply), 200)));
  };
  const std::size_t nodes = group.doors.size();
  for (std::size_t node = 0; node < nodes; ++node) {
    must(node, fmt::format("CLUSTER SET-CONFIG-EPOCH {}", node + 1));
    std::string slots = "CLUSTER ADDSLOTS";
    for (std::size_t slot = kSlots * node / nodes; slot < kSlots * (node + 1) / nodes; ++slot)
      slots += fmt::format(" {}", slot);
    must(node, slots);
  }
  for (std::size_t node = 0; node < nodes; ++node)
    for (std::size_t other = 0; other < node; ++other)
      must(node, fmt::format("CLUSTER MEET 127.0.0.1 {}", group.doors[other].port));
}

void SettleCluster(const Group& group, Deadline deadline) {
  if (Says(AskRedis(group.doors[0], "CLUSTER INFO", kOnce), "cluster_slots_assigned:0\r"))
    JoinCluster(group);
  const std::string known = fmt::format("cluster_known_nodes:{}\r", group.doors.size());
  // No sooner than 2 s after the start: that long a master waits before it takes writes.
  for (const RedisDoor& door : group.doors)
    Await(deadline, "the cluster's state is not ok", [&] {
      const std::string info = AskRedis(door, "CLUSTER INFO");
      return Says(info, "cluster_state:ok\r") && Says(info, known) &&
             Says(info, fmt::format("cluster_slots_ok:{}\r", kSlots));
    });
}

std::string UrlOf(const Group& group, Topology topology) {
  const bool sentinel = topology == Topology::kSentinel;
  std::string addresses;
  for (std::size_t i = sentinel ? group.data : 0; i < group.doors.size(); ++i)
    addresses += (addresses.empty() ? "" : ",") + group.Address(i);
  const char* scheme = sentinel                         ? "redis+sentinel"
                       : topology == Topology::kCluster ? "redis+cluster"
                                                        : "redis";
  return fmt::format("{}://:{}@{}{}{}", scheme, group.password, addresses, sentinel ? "/" : "",
                     sentinel ? kMasterName : "");
}

}  // namespace

TargetPlan PlanRedisTopology(const PrivateSpec& spec, const ServerSite& site,
                             const std::string& server) {
  const Group group = MakeGroup(spec, site, server);
  TargetPlan target;
  target.label = group.label;
  target.url = UrlOf(group, spec.topology);
  for (std::size_t node = 0; node < group.doors.size(); ++node)
    target.nodes.push_back(PlanNode(group, node, spec.topology));
  if (spec.topology == Topology::kCluster) {
    target.settle = [group](std::size_t, Deadline deadline) { SettleCluster(group, deadline); };
    return target;
  }
  if (spec.topology == Topology::kPrimaryReplica) {
    target.settle = [group](std::size_t primary, Deadline deadline) {
      SettleReplication(group, primary, deadline);
    };
    target.promote = [group](std::size_t node, Deadline deadline) {
      PromoteReplica(group.doors[node], deadline);
    };
    return target;
  }
  target.settle = [group](std::size_t primary, Deadline deadline) {
    SettleReplication(group, primary, deadline);
    SettleSentinels(group, deadline);
  };
  target.settles_again = false;  // they take seconds to make a replica of an old primary
  target.promote = [group](std::size_t, Deadline deadline) { PromoteBySentinel(group, deadline); };
  target.elected = [group] { return Elected(group); };
  return target;
}

}  // namespace perf::backends
