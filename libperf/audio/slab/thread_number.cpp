// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/slab/thread_number.hpp"

#include <atomic>
#include <bit>

namespace perf::audio {
namespace {

static_assert(ThreadNumber::kThreads == 64, "one bit each");
std::atomic<std::uint64_t> taken{0};

}  // namespace

thread_local constinit std::uint32_t ThreadNumber::mine_ = ThreadNumber::kUnknown;

/// Gives the number back when its thread ends.
struct ThreadNumber::Leave {
  std::uint32_t number = kThreads;
  ~Leave() {
    mine_ = kThreads;  // what is destroyed later does without
    // Releases what the thread wrote under its number to the next one that has it.
    if (number < kThreads) taken.fetch_and(~(std::uint64_t{1} << number));
  }
};

std::uint32_t ThreadNumber::Register() noexcept {
  static thread_local Leave leave;
  std::uint64_t now = taken.load();
  std::uint32_t number = kThreads;
  do {
    number = static_cast<std::uint32_t>(std::countr_one(now));
  } while (number < kThreads &&
           !taken.compare_exchange_weak(now, now | (std::uint64_t{1} << number)));
  leave.number = number;
  mine_ = number;
  return number;
}

}  // namespace perf::audio
