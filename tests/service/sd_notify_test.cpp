// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/sd_notify.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "libperf/base/error.hpp"
#include "tests/support/scratch_dir.hpp"

namespace perf::service {
namespace {

using namespace std::chrono_literals;

using Variables = std::map<std::string, std::string>;

config::Environment Of(Variables variables) {
  return config::Environment(
      [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      });
}

/// The manager's end of the socket.
class Manager {
 public:
  explicit Manager(const std::string& name) {
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  }
  ~Manager() { ::close(fd_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  /// What was said; "" for nothing.
  std::string Heard() {
    char text[2048];
    const auto got = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return got < 0 ? std::string() : std::string(text, static_cast<std::size_t>(got));
  }

 private:
  int fd_;
};

TEST_CASE("sd_notify: says what the protocol wants, by path and by abstract name") {
  const test::ScratchDir scratch;
  for (const std::string& name :
       {scratch / "notify", "@perfkit-test-" + std::to_string(::getpid())}) {
    Manager manager(name);
    const Notifier notifier(Of({{"NOTIFY_SOCKET", name}}));
    CHECK(notifier.Ready("3 pools ok\nMAINPID=1"));
    CHECK(manager.Heard() == "READY=1\nSTATUS=3 pools ok MAINPID=1\n");
    CHECK(notifier.Reloading(TimePoint(12'345'678'901ns)));
    CHECK(manager.Heard() == "RELOADING=1\nMONOTONIC_USEC=12345678\n");
    CHECK(notifier.Status("draining"));
    CHECK(manager.Heard() == "STATUS=draining\n");
    CHECK(notifier.Stopping());
    CHECK(manager.Heard() == "STOPPING=1\n");
    // Nobody watches: no ping.
    CHECK_FALSE(notifier.Evaluated());
    CHECK(manager.Heard() == "");
  }
}

TEST_CASE("sd_notify: the watchdog is pinged when the manager watches this process") {
  const test::ScratchDir scratch;
  const std::string name = scratch / "notify";
  Manager manager(name);
  const std::string own = std::to_string(::getpid());
  const Notifier watched(
      Of({{"NOTIFY_SOCKET", name}, {"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", own}}));
  CHECK(watched.Due() == 15s);
  CHECK(watched.Evaluated());
  CHECK(manager.Heard() == "WATCHDOG=1\n");
  const Notifier other(
      Of({{"NOTIFY_SOCKET", name}, {"WATCHDOG_USEC", "30000000"}, {"WATCHDOG_PID", "1"}}));
  CHECK_FALSE(other.Due());
  CHECK_FALSE(other.Evaluated());
}

TEST_CASE("sd_notify: without a manager nothing happens, a bad address is an error") {
  const Notifier none(Of({}));
  CHECK_FALSE(none.Listens());
  CHECK_FALSE(none.Ready("x"));
  const Notifier gone(Of({{"NOTIFY_SOCKET", "/nonexistent/notify"}}));
  CHECK_FALSE(gone.Ready("x"));
  for (const std::string& bad :
       {std::string("relative"), std::string("/"), std::string(200, 'x')}) {
    CHECK_THROWS_AS(Notifier(Of({{"NOTIFY_SOCKET", bad}})), ConfigError);
  }
  CHECK_THROWS_AS(Notifier(Of({{"WATCHDOG_USEC", "soon"}})), ConfigError);
}

}  // namespace
}  // namespace perf::service
