// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/private_servers.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/guardian.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/units.hpp"

namespace perf::backends {
namespace {

using namespace std::chrono_literals;

/// The guardian's own steps (see ServerPlan::stop) end before.
constexpr auto kStopPatience = 12s;

/// True where something can be read from `fd`, its end included.
bool AwaitReadable(int fd, Deadline deadline) noexcept {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline.Remaining(Clock::now()));
    pollfd poll_fd{fd, POLLIN, 0};
    const int n =
        ::poll(&poll_fd, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (n > 0) return true;
    if (n == 0 && deadline.Passed(Clock::now())) return false;
    if (n < 0 && errno != EINTR) return false;
  }
}

void CheckNames(std::span<const PrivateSpec> specs) {
  std::set<std::string_view> names;
  for (const auto& spec : specs)
    if (!names.insert(spec.name).second)
      throw ConfigError(fmt::format("two private targets are called {}", spec.name));
}

}  // namespace

PrivateServers PrivateServers::Start(std::span<const PrivateSpec> specs, Deadline deadline,
                                     const PrivateOptions& options) {
  PrivateServers result;
  if (specs.empty()) return result;
  CheckNames(specs);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw UnreachableError("cannot start private servers: no socket pair");
  const pid_t self = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) RunGuardian(ends[1], self, specs, deadline, options);
  ::close(ends[1]);
  result.channel_ = ends[0];
  result.guardian_ = pid;
  if (pid < 0) throw UnreachableError("cannot start private servers: no process");
  result.AwaitReady(specs, deadline);
  return result;
}

void PrivateServers::AwaitReady(std::span<const PrivateSpec> specs, Deadline deadline) {
  // The guardian watches the same deadline and can say which server was late: let it speak first.
  const Deadline last = Deadline(Saturated(deadline.At(), 500ms));
  std::string text;
  std::array<char, 4096> buffer;
  while (AwaitReadable(channel_, last)) {
    const ssize_t n = ::recv(channel_, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      throw UnreachableError("the guardian of the private servers ended while starting them");
    text.append(buffer.data(), static_cast<std::size_t>(n));
    for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
      if (Learn(specs, std::string_view(text).substr(0, end))) return;
  }
  throw UnreachableError("the private servers were not ready in time");
}

bool PrivateServers::Learn(std::span<const PrivateSpec> specs, std::string_view line) {
  const auto parts = Split(line, '\t');
  if (parts[0] == kSaysReady) return true;
  if (parts[0] == kSaysError)
    throw UnreachableError(std::string(line.substr(kSaysError.size() + 1)));
  if (parts[0] == kSaysDirectory) directory_ = parts.at(1);
  if (parts[0] == kSaysServer) {
    const auto index = static_cast<std::size_t>(ParseInteger(parts.at(1)).value_or(0));
    servers_[specs[index].name] = {std::string(parts.at(3)),
                                   static_cast<pid_t>(ParseInteger(parts.at(2)).value_or(-1))};
  }
  return false;
}

PrivateServers::PrivateServers(PrivateServers&& other) noexcept { *this = std::move(other); }

PrivateServers& PrivateServers::operator=(PrivateServers&& other) noexcept {
  if (this == &other) return *this;
  Stop();
  servers_ = std::exchange(other.servers_, {});
  directory_ = std::exchange(other.directory_, {});
  guardian_ = std::exchange(other.guardian_, -1);
  channel_ = std::exchange(other.channel_, -1);
  return *this;
}

PrivateServers::~PrivateServers() { Stop(); }

void PrivateServers::Stop() noexcept {
  if (channel_ >= 0) {
    // Not only close: a process that was forked from this one may hold the same socket.
    ::shutdown(channel_, SHUT_WR);
    // The guardian's end closes when it has removed everything and ended.
    const Deadline deadline = Deadline::After(Clock::now(), kStopPatience);
    std::array<char, 256> rest;
    bool more = true;
    while (more && AwaitReadable(channel_, deadline))
      more = ::recv(channel_, rest.data(), rest.size(), 0) > 0;
    // Its servers then die by the signal they asked for, and the next start sweeps.
    if (more && guardian_ > 0) ::kill(guardian_, SIGKILL);
    ::close(channel_);
  }
  if (guardian_ > 0)
    while (::waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
    }
  servers_.clear();
  guardian_ = -1;
  channel_ = -1;
}

bool PrivateServers::Has(std::string_view name) const noexcept {
  return servers_.find(name) != servers_.end();
}

const PrivateServers::Server& PrivateServers::Find(std::string_view name) const {
  const auto it = servers_.find(name);
  if (it == servers_.end()) throw Error(fmt::format("no private server is called {}", name));
  return it->second;
}

const std::string& PrivateServers::Url(std::string_view name) const { return Find(name).url; }

pid_t PrivateServers::Pid(std::string_view name) const { return Find(name).pid; }

}  // namespace perf::backends
