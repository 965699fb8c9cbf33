// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "libperf/backends/redis.hpp"

namespace perf::backends {

/// What a server says of itself.
struct RoleAnswer {
  enum class Kind : std::uint8_t { kPrimary, kReplica, kOther, kSilent };
  Kind kind = Kind::kSilent;
  std::string text;  // its own word, or why there was none
  bool Fits(RedisRole wanted) const noexcept;
};

/// ROLE; or, where the user may not, INFO. The connection is broken after a time-out.
/// Lifetime: the references outlive the task.
Task<void> AskRole(RedisConnection& connection, RoleAnswer& answer, Deadline deadline);

/// "a primary", "a replica", "any server".
std::string_view Text(RedisRole role) noexcept;

}  // namespace perf::backends
