// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libperf/backends/private_topology.hpp"
#include "libperf/backends/server_plan.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// Redis, or its successor with the same command line and protocol.
std::optional<std::string> FindServer(const std::string& search_path) {
  const std::string path = search_path.empty() ? DefaultSearchPath() : search_path;
  if (auto found = FindProgram("redis-server", path)) return found;
  return FindProgram("valkey-server", path);
}

}  // namespace

bool RedisAnswers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  constexpr std::string_view kPing = "PING\r\n";
  constexpr std::string_view kPong = "+PONG\r\n";
  std::array<char, 64> reply;
  const bool pongs =
      ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, kPing.data(), kPing.size(), MSG_NOSIGNAL) > 0 &&
      ::recv(fd, reply.data(), kPong.size(), MSG_WAITALL) == static_cast<ssize_t>(kPong.size()) &&
      std::string_view(reply.data(), kPong.size()) == kPong;
  ::close(fd);
  return pongs;
}

TargetPlan PlanRedis(const PrivateSpec& spec, const ServerSite& site) {
  TargetPlan target;
  target.label = fmt::format("target {}: private Redis", spec.name);
  const auto server = FindServer(site.search_path);
  if (!server)
    throw UnreachableError(target.label +
                           ": redis-server not found: install redis-server (or valkey-server)");
  if (spec.topology != Topology::kSingle) return PlanRedisTopology(spec, site, *server);

  ServerPlan plan;
  plan.label = target.label;
  plan.place = fmt::format("redis{}", site.index);
  const std::string path = fmt::format("{}/{}.sock", site.directory, plan.place);
  plan.url = "unix://" + path;
  ServerCommand command;
  command.argv = {
      *server,        "--port",           "0",   "--unixsocket", path,     "--dir",
      site.directory, "--unixsocketperm", "700", "--save",       "",       "--appendonly",
      "no",           "--daemonize",      "no",  "--loglevel",   "warning"};
  plan.stages = {command};
  plan.again = [command](const Comeback&) { return std::vector{command}; };
  plan.ready = [path] { return RedisAnswers(path); };
  plan.death_signal = SIGKILL;  // it has nothing to save and nothing to give back
  plan.stop = {{SIGTERM, 1s}, {SIGKILL, 1s}};
  target.url = plan.url;
  target.nodes.push_back(std::move(plan));
  return target;
}

}  // namespace perf::backends
