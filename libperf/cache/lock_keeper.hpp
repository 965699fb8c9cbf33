// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/cache/gate.hpp"
#include "libperf/cache/upkeep.hpp"

namespace perf::cache {

struct Parts;

/// Renews a lock of the second tier at a third of its TTL while a load is under way, so that the
/// TTL need only be as long as others are to wait for a process that died.
/// Ends by itself when the tier says that the lock is another's, and after LongestHold: a load that
/// hangs must not keep all others from loading for ever.
/// Thread safety: all methods. Lifetime: held by shared_ptr; dropped, it ends.
class LockKeeper : public std::enable_shared_from_this<LockKeeper> {
 public:
  LockKeeper(Parts& parts, std::string key, std::uint64_t fence, Duration ttl);
  /// Once.
  void Begin();
  /// Requires: the cache is there.
  void End();

  /// How long a lock is held at most, and waited for.
  static Duration LongestHold(Duration ttl) noexcept;

 private:
  void Plan();
  void Renew(std::shared_ptr<Gate::Pass> pass);

  Parts& parts_;
  const std::shared_ptr<Gate> gate_;
  const std::string key_;
  const std::uint64_t fence_;
  const Duration ttl_;
  const TimePoint until_;
  std::mutex mutex_;
  bool ended_ = false;
  Upkeep::TimerId timer_ = 0;
};

}  // namespace perf::cache
