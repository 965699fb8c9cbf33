// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace perf::pool {

/// What a pool holds; in practice a connection.
/// Thread safety: none; used by one borrower at a time, destroyed by the pool's thread.
class Resource {
 public:
  virtual ~Resource() = default;
  /// False once anything went wrong on it (error, time-out, half-read reply, peer said close):
  /// then it is destroyed instead of returned.
  virtual bool Reusable() const noexcept = 0;
  /// Whether the pool's reset has work to do before the next borrower (a transaction left open).
  virtual bool NeedsReset() const noexcept { return false; }
  /// A cheap look without a round trip at one that lay idle.
  virtual bool Alive() noexcept = 0;
};

}  // namespace perf::pool
