// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::pool {

/// Where one thread sleeps until it is woken: a futex with one token, as in Rust's
/// std::thread::park. Parkers are never freed, only used again by other threads, so that waking one
/// late is harmless: a wake without reason is part of the contract. Thread safety: Wake from any
/// thread; Wait by the thread it is lent to.
class PERF_EXPORT Parker {
 public:
  /// The calling thread's own; lent to it until its end.
  static Parker& Mine();
  /// Sleeps until a Wake since the last Wait, or the deadline. Costs no CPU; may return early.
  void Wait(Deadline deadline) noexcept;
  /// One system call if the thread sleeps, none otherwise.
  void Wake() noexcept;

 private:
  friend struct ParkerLender;
  static constexpr std::uint32_t kNothing = 0;
  static constexpr std::uint32_t kToken = 1;
  static constexpr std::uint32_t kAsleep = 2;
  alignas(64) std::atomic<std::uint32_t> word_{kNothing};
  Parker* next_free_ = nullptr;
};

}  // namespace perf::pool
