// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <cstdint>
#include <optional>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::service {

enum class Asked : std::uint8_t { kStop, kReload };

/// SIGTERM, SIGINT and SIGHUP as something to wait for, instead of handlers.
/// Thread safety: none. Lifetime: made before any other thread, for only those that come later
/// leave these signals to it; at its end the signals do again what they did before.
class PERF_EXPORT Signals {
 public:
  /// Throws: IoError.
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// What a signal asks for (SIGTERM and SIGINT to stop, SIGHUP to reload), or nothing when the
  /// deadline has passed.
  std::optional<Asked> Await(Deadline deadline);
  /// The second SIGTERM or SIGINT ends the process: for a stop that takes too long for its user.
  void LetGo() noexcept;

 private:
  int fd_ = -1;
  sigset_t before_{};
  bool held_ = true;
};

}  // namespace perf::service
