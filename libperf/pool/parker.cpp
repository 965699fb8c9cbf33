// SPDX-License-Identifier: Apache-2.0
#include "libperf/pool/parker.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <mutex>

namespace perf::pool {

/// Lends one to each thread that asks, and takes it back at the thread's end.
struct ParkerLender {
  ParkerLender() {
    const std::lock_guard lock(Mutex());
    if (Free() != nullptr) {
      parker = Free();
      Free() = parker->next_free_;
    } else {
      parker = new Parker;
    }
  }
  ~ParkerLender() {
    const std::lock_guard lock(Mutex());
    parker->next_free_ = Free();
    Free() = parker;
  }
  ParkerLender(const ParkerLender&) = delete;
  ParkerLender& operator=(const ParkerLender&) = delete;
  // Never destroyed: threads may end after static objects are gone.
  static std::mutex& Mutex() {
    static std::mutex& mutex = *new std::mutex;
    return mutex;
  }
  static Parker*& Free() {
    static Parker* first = nullptr;
    return first;
  }
  Parker* parker;
};

Parker& Parker::Mine() {
  thread_local const ParkerLender lender;
  return *lender.parker;
}

void Parker::Wait(Deadline deadline) noexcept {
  static_assert(sizeof(word_) == sizeof(std::uint32_t));
  std::uint32_t expected = kNothing;
  if (word_.compare_exchange_strong(expected, kAsleep, std::memory_order_acquire)) {
    timespec until{};
    if (!deadline.IsNever()) {
      const auto since_boot = deadline.At().time_since_epoch();
      until.tv_sec = static_cast<time_t>(since_boot.count() / 1'000'000'000);
      until.tv_nsec = static_cast<long>(since_boot.count() % 1'000'000'000);
    }
    // FUTEX_WAIT_BITSET takes an absolute time of the monotonic clock.
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_),
            FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, kAsleep, deadline.IsNever() ? nullptr : &until,
            nullptr, FUTEX_BITSET_MATCH_ANY);
  }
  word_.exchange(kNothing, std::memory_order_acquire);
}

void Parker::Wake() noexcept {
  if (word_.exchange(kToken, std::memory_order_release) == kAsleep) {
    syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word_), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1,
            nullptr, nullptr, 0);
  }
}

}  // namespace perf::pool
