// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libperf/backends/loop.hpp"
#include "libperf/backends/pg_hosts.hpp"
#include "libperf/backends/postgres.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends {

class PgSession;
struct PgFamily;

/// Asks each of several servers every 250 ms (while the primary does not answer, 100 ms), by a
/// session of its own to each, whether it is the primary. Of several that say so the one on the
/// highest timeline is: the others were replaced without noticing. Degraded mode: a server that
/// does not answer is not known to be anything; the last known primary stays the primary until it
/// says that it is none, or another one says that it is. Thread safety: none; belongs to its loop's
/// thread. Lifetime: outlives its questions, which are spawned tasks of a bounded time.
class PgRoleWatch {
 public:
  static constexpr Duration kPeriod = std::chrono::milliseconds(250);
  static constexpr Duration kHurry = std::chrono::milliseconds(100);
  struct Calls {
    std::function<void(std::size_t host)> on_primary;       // it is another one, or the first
    std::function<void(std::string_view why)> on_replaced;  // the last one is not to be used
    std::function<void(std::size_t host)> on_mute;  // it hangs, and another one is the primary
  };
  PgRoleWatch(EventLoop& loop, const PgServers& servers, Calls calls);
  ~PgRoleWatch();
  PgRoleWatch(const PgRoleWatch&) = delete;
  PgRoleWatch& operator=(const PgRoleWatch&) = delete;

  /// From now on; may be called again.
  void Start();
  std::optional<std::size_t> Primary() const noexcept { return primary_; }
  /// Whether one was known and does not answer as such now.
  bool Missing() const noexcept;

 private:
  enum class State { kUnknown, kPrimary, kOther };
  struct Node {
    std::unique_ptr<PgSession> session;
    bool asking = false;
    State state = State::kUnknown;
    std::string timeline;  // eight hexadecimal digits, or empty where it does not tell
    std::string started;   // when its postmaster did
  };
  void Tick();
  Task<void> Ask(std::size_t index);
  Task<void> Open(std::size_t index, Failure& failure, Deadline deadline);
  void Judge();

  EventLoop& loop_;
  PgServers servers_;
  bool read_write_;
  Calls calls_;
  std::shared_ptr<PgFamily> family_;
  std::vector<Node> nodes_;
  std::optional<std::size_t> primary_;
  std::string started_;  // of the primary
  bool found_ = false;   // there was one
  Alarm alarm_;
};

}  // namespace perf::backends
