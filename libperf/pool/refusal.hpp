// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "libperf/base/clock.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/export.hpp"
#include "libperf/pool/limits.hpp"

namespace perf::pool {

/// Why an acquire got nothing.
enum class Cause : std::uint8_t {
  kNone,
  kHeld,         // all are borrowed, and none came back in time
  kConnecting,   // a dial is under way, and took longer than the acquire might
  kDown,         // the target is known to be down
  kBreakerOpen,  // the circuit breaker lets no call through
  kPaused,       // the pool is paused
  kClosed,       // the pool is closed, or drains
  kQueueFull,    // too many wait already
  kForked,       // this is a child of the process that made the pool
};
inline constexpr int kCauses = 9;

/// "none", "held", "connecting", "down", "breaker_open", "paused", "closed", "queue_full",
/// "forked".
PERF_EXPORT std::string_view Name(Cause cause) noexcept;

/// One borrower: where it borrowed, and how long ago.
struct Holder {
  std::source_location where;
  Duration age{};
};

/// What the pool looked like when an acquire failed.
struct Refusal {
  Cause cause = Cause::kNone;
  std::string pool;
  Counts counts;
  std::size_t max = 0;
  Holder oldest;              // where.line() == 0: nobody holds any
  std::string connect_error;  // of the last failed dial, while none succeeded since
  Duration waited{};
  explicit operator bool() const noexcept { return cause != Cause::kNone; }
};

/// One line for people: the cause in words, then the figures.
PERF_EXPORT std::string Text(const Refusal& refusal);

/// An acquire that failed, for those who want an exception.
/// Thread safety: a value.
class PERF_EXPORT PoolError : public Error {
 public:
  explicit PoolError(Refusal refusal);
  ~PoolError() override;
  const Refusal& Why() const noexcept { return refusal_; }

 private:
  Refusal refusal_;
};

}  // namespace perf::pool
