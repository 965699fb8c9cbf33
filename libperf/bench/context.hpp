// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace perf::bench {

/// What a verb of a benchmark is told by its program.
/// Thread safety: a value; the functions are called on the thread that runs the verb.
/// Lifetime: `stop` outlives the verb.
struct Context {
  std::uint64_t seed = 1;
  /// Set from outside (a signal handler): the verb ends early, with what it has.
  const std::atomic<bool>* stop = nullptr;
  /// What is being done ("2 threads, pool 16"); may be empty, must not block.
  std::function<void(const std::string&)> on_phase;
  /// How many allocations the process has made; null where nobody counts them.
  std::uint64_t (*allocations)() noexcept = nullptr;

  /// So far; 0 where nobody counts them.
  std::uint64_t Allocations() const noexcept { return allocations != nullptr ? allocations() : 0; }

  bool Stopped() const noexcept { return stop != nullptr && stop->load(std::memory_order_relaxed); }
  void Phase(const std::string& text) const {
    if (on_phase) on_phase(text);
  }
};

}  // namespace perf::bench
