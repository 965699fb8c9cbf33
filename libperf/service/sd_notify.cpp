// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/sd_notify.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libperf/base/error.hpp"

namespace perf::service {
namespace {

constexpr config::Range<std::int64_t> kMicroseconds{1, std::int64_t{1} << 50};
constexpr config::Range<std::int64_t> kProcess{1, std::int64_t{1} << 31};

/// One line: a line break would begin another assignment.
std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, 512));
  std::replace_if(line.begin(), line.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return line;
}

}  // namespace

Notifier::Notifier(const config::Environment& environment) {
  path_ = environment.Text("NOTIFY_SOCKET").value_or("");
  const sockaddr_un address{};
  if (!path_.empty() && ((path_[0] != '/' && path_[0] != '@') || path_.size() < 2 ||
                         path_.size() >= sizeof address.sun_path)) {
    throw ConfigError("environment variable NOTIFY_SOCKET: expected an absolute path or @NAME");
  }
  const auto usec = environment.Integer("WATCHDOG_USEC", kMicroseconds);
  const auto pid = environment.Integer("WATCHDOG_PID", kProcess);
  if (usec && (!pid || *pid == ::getpid())) due_ = std::chrono::microseconds(*usec) / 2;
}

bool Notifier::Ready(std::string_view status) const {
  return Send(fmt::format("READY=1\nSTATUS={}\n", OneLine(status)));
}

bool Notifier::Reloading(TimePoint now) const {
  const auto usec =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  return Send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}\n", usec));
}

bool Notifier::Stopping() const { return Send("STOPPING=1\n"); }

bool Notifier::Status(std::string_view status) const {
  return Send(fmt::format("STATUS={}\n", OneLine(status)));
}

bool Notifier::Evaluated() const { return due_ && Send("WATCHDOG=1\n"); }

bool Notifier::Send(std::string_view text) const {
  if (path_.empty()) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (path_[0] == '@') address.sun_path[0] = '\0';  // the abstract name space
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (socket < 0) return false;
  const auto sent = ::sendto(socket, text.data(), text.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), length);
  ::close(socket);
  return sent == static_cast<ssize_t>(text.size());
}

}  // namespace perf::service
