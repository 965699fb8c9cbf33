// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/config/environment.hpp"

namespace perf::service {

/// Tells systemd how the service is, by the datagrams of sd_notify(3) (the protocol alone: no
/// libsystemd). Without NOTIFY_SOCKET every call does nothing. A manager that does not listen is
/// no reason to fail: the calls return false.
/// Thread safety: all methods. Lifetime: a value.
class PERF_EXPORT Notifier {
 public:
  Notifier() = default;
  /// Reads NOTIFY_SOCKET (a path, or '@' and an abstract name), and WATCHDOG_USEC where
  /// WATCHDOG_PID is this process or not set. Throws: ConfigError that names the variable.
  explicit Notifier(const config::Environment& environment);

  bool Ready(std::string_view status) const;
  /// Before the work of a reload; Ready ends it. `now` is CLOCK_MONOTONIC: systemd takes only
  /// what is newer than its own signal.
  bool Reloading(TimePoint now) const;
  bool Stopping() const;
  bool Status(std::string_view status) const;
  /// To be called when an evaluation has been completed, and by nothing else: a ping by timer would
  /// also vouch for a loop that hangs.
  bool Evaluated() const;
  /// How often Evaluated is due at the latest: half of what the manager waits; nothing where it
  /// does not watch.
  std::optional<Duration> Due() const noexcept { return due_; }
  bool Listens() const noexcept { return !path_.empty(); }

 private:
  bool Send(std::string_view text) const;
  std::string path_;
  std::optional<Duration> due_;
};

}  // namespace perf::service
