// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/loop.hpp"

struct pg_conn;

namespace perf::backends {

/// Closes sessions, and knows which of them their server has not ended yet. A server goes on with a
/// statement that its client gave up, and needs some time to end a session in any case; whoever
/// dials in the place of one that is not gone has more sessions there than his pool may have.
/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows the loop; outlives Await.
class PgFarewell {
 public:
  explicit PgFarewell(EventLoop& loop);
  ~PgFarewell();
  PgFarewell(const PgFarewell&) = delete;
  PgFarewell& operator=(const PgFarewell&) = delete;

  /// Says good-bye; `host` is the number of its server. The server has kLongest to hang up.
  void Close(pg_conn* connection, std::size_t host) noexcept;
  /// Until those of this host that were closed before are gone, or the deadline.
  Task<void> Await(std::size_t host, Deadline deadline);
  /// After that one that has not gone is not waited for any more: dials must not stand still for a
  /// server that is mute, or does not hear the request to cancel a long statement.
  static constexpr Duration kLongest = std::chrono::seconds(1);

 private:
  struct Leaving;
  class Waiting;
  void Begin(int fd, std::size_t host);
  void Gone(Leaving& leaving);
  bool Left(std::size_t host, std::uint64_t before) const noexcept;

  EventLoop& loop_;
  std::uint64_t closed_ = 0;
  std::list<Leaving> leaving_;  // oldest first
  std::vector<Waiting*> waiting_;
};

}  // namespace perf::backends
