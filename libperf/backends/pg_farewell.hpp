// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <coroutine>
#include <cstddef>
#include <list>
#include <vector>

#include "libperf/backends/fd_watch.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/backends/pg_cancel.hpp"

struct pg_conn;

namespace perf::backends {

/// Closes sessions, and knows which of them their server has not ended yet. A server goes on with a
/// statement that its client gave up, and needs some time to end a session in any case; whoever
/// dials in the place of one that is not gone has more sessions there than his pool may have.
/// A session counts until its server hangs up, or until the server's machine has not acknowledged
/// anything for kSilent: then nobody can say what goes on there.
/// Thread safety: none; belongs to its loop's thread. Lifetime: borrows the loop; outlives Await.
class PgFarewell {
 public:
  explicit PgFarewell(EventLoop& loop);
  ~PgFarewell();
  PgFarewell(const PgFarewell&) = delete;
  PgFarewell& operator=(const PgFarewell&) = delete;

  /// Says good-bye; `host` is the number of its server. `cancel`, where a statement was given up,
  /// is sent again and again until the session is gone: a server does not hear a request that comes
  /// before its statement. Null connections only wake those in Await.
  void Close(pg_conn* connection, std::size_t host, PgCancel cancel) noexcept;
  /// How many of this host are not gone, and since when the oldest of them was closed.
  struct Left {
    std::size_t count = 0;
    TimePoint since = TimePoint::max();
  };
  Left Of(std::size_t host) const noexcept;
  /// Until another one is gone or was closed, or until the deadline, at most kLook.
  Task<void> Await(Deadline deadline);

  static constexpr Duration kSilent = std::chrono::seconds(2);
  static constexpr Duration kLook = std::chrono::milliseconds(100);

 private:
  struct Leaving;
  class Waiting;
  void Begin(int fd, std::size_t host, PgCancel cancel);
  void Gone(Leaving& leaving);
  void WakeAll();

  EventLoop& loop_;
  std::list<Leaving> leaving_;  // oldest first
  std::vector<Waiting*> waiting_;
};

}  // namespace perf::backends
