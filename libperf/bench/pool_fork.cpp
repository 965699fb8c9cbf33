// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/bench/findings.hpp"
#include "libperf/bench/forked_acquire.hpp"
#include "libperf/bench/pool_verbs.hpp"

namespace perf::bench {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);

/// One end of a socket pair that says farewell when it is destroyed, as database clients do.
class SocketConnection final : public pool::Resource {
 public:
  explicit SocketConnection(int fd) noexcept : fd_(fd) {}
  ~SocketConnection() override {
    Say("X");
    ::close(fd_);
  }
  bool Reusable() const noexcept override { return true; }
  bool Alive() noexcept override { return true; }
  bool Say(const char* letter) const noexcept { return ::send(fd_, letter, 1, MSG_NOSIGNAL) == 1; }

 private:
  int fd_;
};

/// What has reached the server's end.
std::string Received(int fd) {
  std::string text;
  char buffer[64];
  for (ssize_t got; (got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

load::Result PoolFork(const Context& context) {
  Findings findings("poolbench", "fork", context.seed);
  int link[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) != 0) {
    throw IoError(fmt::format("no socket pair: {}", std::strerror(errno)));
  }
  pool::BlockingPool::Options settings;
  settings.name = "fork";
  settings.limits.max = 1;
  settings.seed = context.seed;
  int ready = link[0];
  ForkedAcquire child;
  std::string from_child, from_parent;
  {
    pool::BlockingPool pool(settings,
                            [&](Deadline, std::string& why) -> std::unique_ptr<pool::Resource> {
                              why = "only one connection was prepared";
                              const int fd = std::exchange(ready, -1);
                              return fd < 0 ? nullptr : std::make_unique<SocketConnection>(fd);
                            });
    const auto acquire = [&] { return pool.Acquire(Deadline::After(Clock::now(), kPatience)); };
    acquire().loan.Return();  // idle when the child is made
    context.Phase("forking");
    child = AcquireInChild(pool, kPatience);
    from_child = Received(link[1]);
    const auto again = acquire();
    if (again.loan) again.loan.As<SocketConnection>().Say("?");
    from_parent = Received(link[1]);
  }
  ::close(link[1]);
  const bool refused = child.answered && !child.lent && child.cause == pool::Cause::kForked;
  const bool works = from_parent == "?";
  Json row = Json::MakeObject();
  row["child_cause"] = std::string(pool::Name(child.cause));
  row["child_ms"] = child.ms;
  row["bytes_from_child"] = std::uint64_t{from_child.size()};
  row["parent_works"] = works;
  findings.AddRow(std::move(row));
  findings.AtLeast("the child is refused as forked", refused, 1);
  findings.Never("bytes from the child on its parent's connection", from_child.size());
  findings.AtLeast("the parent's connection still works", works, 1);
  return findings.Finish(context.Stopped());
}

}  // namespace perf::bench
