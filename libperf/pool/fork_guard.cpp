// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/fork_guard.hpp"

#include <pthread.h>

namespace perf::pool {

std::atomic<std::uint64_t> ForkGuard::generation_{0};

ForkGuard::ForkGuard() noexcept {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { generation_.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
  born_ = generation_.load(std::memory_order_relaxed);
}

}  // namespace perf::pool
