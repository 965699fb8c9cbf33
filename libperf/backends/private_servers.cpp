// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_servers.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <set>
#include <utility>

#include "libperf/backends/guardian.hpp"
#include "libperf/backends/guardian_link.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// The guardian's own steps (see ServerPlan::stop) end before.
constexpr auto kStopPatience = 12s;
/// Sentinel and Cluster need TCP ports, and another program may be faster to take one.
constexpr int kPortAttempts = 4;

void CheckSpecs(std::span<const PrivateSpec> specs) {
  using Kind = PrivateSpec::Kind;
  std::set<std::string_view> names;
  for (const auto& spec : specs) {
    if (!names.insert(spec.name).second)
      throw ConfigError(fmt::format("two private targets are called {}", spec.name));
    const bool known = spec.topology == Topology::kSingle || spec.kind == Kind::kRedis ||
                       (spec.kind == Kind::kPostgres && spec.topology == Topology::kPrimaryReplica);
    if (!known)
      throw ConfigError(fmt::format("target {}: its kind has no such topology", spec.name));
  }
}

std::size_t Index(std::string_view text) {
  return static_cast<std::size_t>(ParseInteger(text).value_or(0));
}

}  // namespace

PrivateServers::PrivateServers() noexcept = default;

PrivateServers PrivateServers::Start(std::span<const PrivateSpec> specs, Deadline deadline,
                                     const PrivateOptions& options) {
  if (specs.empty()) return {};
  CheckSpecs(specs);
  for (int attempt = 1;; ++attempt) {
    try {
      return StartOnce(specs, deadline, options);
    } catch (const UnreachableError& error) {
      const bool port_lost =
          std::string_view(error.what()).find("ddress already in use") != std::string_view::npos;
      if (!port_lost || attempt == kPortAttempts || deadline.Passed(Clock::now())) throw;
    }
  }
}

PrivateServers PrivateServers::StartOnce(std::span<const PrivateSpec> specs, Deadline deadline,
                                         const PrivateOptions& options) {
  PrivateServers result;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw UnreachableError("cannot start private servers: no socket pair");
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) RunGuardian(ends[1], self, specs, deadline, options);
  ::close(ends[1]);
  result.link_ = std::make_unique<GuardianLink>(ends[0]);
  result.guardian_ = pid;
  if (pid < 0) throw UnreachableError("cannot start private servers: no process");
  result.AwaitReady(specs, deadline);
  return result;
}

void PrivateServers::AwaitReady(std::span<const PrivateSpec> specs, Deadline deadline) {
  // The guardian watches the same deadline and can say which server was late: let it speak first.
  const Deadline last = Deadline(Saturated(deadline.At(), 500ms));
  try {
    while (const auto line = link_->ReadLine(last))
      if (Learn(specs, *line)) return;
  } catch (const IoError&) {
    throw UnreachableError("the guardian of the private servers ended while starting them");
  }
  throw UnreachableError("the private servers were not ready in time");
}

bool PrivateServers::Learn(std::span<const PrivateSpec> specs, std::string_view line) {
  const auto parts = Split(line, '\t');
  if (parts[0] == kSaysReady) return true;
  if (parts[0] == kSaysError)
    throw UnreachableError(std::string(line.substr(kSaysError.size() + 1)));
  if (parts[0] == kSaysDirectory) directory_ = parts.at(1);
  if (parts[0] == kSaysTarget) {
    const std::size_t index = Index(parts.at(1));
    targets_[specs[index].name] = {index, specs[index].topology, std::string(parts.at(2)), {}};
  }
  if (parts[0] == kSaysNode)
    targets_[specs[Index(parts.at(1))].name].nodes.push_back(
        {std::string(parts.at(2)), std::string(parts.at(3))});
  if (parts[0] == kSaysPid)
    link_->SetPid(Index(parts.at(1)), Index(parts.at(2)),
                  static_cast<pid_t>(ParseInteger(parts.at(3)).value_or(-1)));
  return false;
}

PrivateServers::PrivateServers(PrivateServers&& other) noexcept { *this = std::move(other); }

PrivateServers& PrivateServers::operator=(PrivateServers&& other) noexcept {
  if (this == &other) return *this;
  Stop();
  targets_ = std::exchange(other.targets_, {});
  directory_ = std::exchange(other.directory_, {});
  guardian_ = std::exchange(other.guardian_, -1);
  link_ = std::move(other.link_);
  return *this;
}

PrivateServers::~PrivateServers() { Stop(); }

void PrivateServers::Stop() noexcept {
  // Where it fails, its servers die by the signal they asked for, and the next start sweeps.
  if (link_ && !link_->End(kStopPatience) && guardian_ > 0) ::kill(guardian_, SIGKILL);
  if (guardian_ > 0)
    while (::waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
    }
  targets_.clear();
  guardian_ = -1;
  link_.reset();
}

void PrivateServers::Act(std::string_view name, ServerAction action,
                         std::optional<std::size_t> node, Deadline deadline) {
  const Target& target = Find(name);
  if (node) Find(name, *node);
  if (action == ServerAction::kPromote) {
    if (target.topology == Topology::kSingle || target.topology == Topology::kCluster)
      throw Error(fmt::format("target {} has no replica to promote", name));
    if (node && target.topology == Topology::kSentinel)
      throw Error(fmt::format("target {}: its Sentinels choose whom they promote", name));
  }
  const std::string which = node ? std::to_string(*node) : "-";
  link_->Request(fmt::format("{}\t{}\t{}", target.index, which, static_cast<int>(action)),
                 deadline);
}

bool PrivateServers::Has(std::string_view name) const noexcept {
  return targets_.find(name) != targets_.end();
}

const PrivateServers::Target& PrivateServers::Find(std::string_view name) const {
  const auto it = targets_.find(name);
  if (it == targets_.end()) throw Error(fmt::format("no private server is called {}", name));
  return it->second;
}

const PrivateServers::Node& PrivateServers::Find(std::string_view name, std::size_t node) const {
  const Target& target = Find(name);
  if (node >= target.nodes.size())
    throw Error(fmt::format("private target {} has {} node(s): there is no node {}", name,
                            target.nodes.size(), node));
  return target.nodes[node];
}

const std::string& PrivateServers::Url(std::string_view name) const { return Find(name).url; }

Topology PrivateServers::TopologyOf(std::string_view name) const { return Find(name).topology; }

std::size_t PrivateServers::Nodes(std::string_view name) const { return Find(name).nodes.size(); }

const std::string& PrivateServers::Role(std::string_view name, std::size_t node) const {
  return Find(name, node).role;
}

const std::string& PrivateServers::NodeUrl(std::string_view name, std::size_t node) const {
  return Find(name, node).url;
}

pid_t PrivateServers::Pid(std::string_view name, std::size_t node) const {
  Find(name, node);
  return link_->Pid(Find(name).index, node);
}

}  // namespace perf::backends
