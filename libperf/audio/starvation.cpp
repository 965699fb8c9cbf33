// SPDX-License-Identifier: Apache-2.0
#include "libperf/audio/starvation.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "libperf/base/cpu_time.hpp"

namespace perf::audio {
namespace {

constexpr int kFree = -1, kTaken = -2;

bool Pin(int core) noexcept {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<std::size_t>(core), &only);
  return core < CPU_SETSIZE && ::sched_setaffinity(0, sizeof(only), &only) == 0;
}

}  // namespace

Duration StarvationMeter::Add(const Beat& beat) noexcept {
  const Duration waited = std::max(beat.wall - beat.cpu, beat.run_delay - run_delay_);
  const Duration starved = std::max(Duration::zero(), waited - beat.others);
  run_delay_ = beat.run_delay;
  total_ += starved;
  longest_ = std::max(longest_, starved);
  return starved;
}

void StarvationMeter::Forget(Duration run_delay) noexcept {
  total_ = longest_ = Duration::zero();
  run_delay_ = run_delay;
}

CoreThreads::Seat::Seat(CoreThreads& threads, int core) noexcept : threads_(threads), core_(core) {
  if (core < 0) return;
  pinned_ = Pin(core);
  clockid_t clock{};
  if (!pinned_ || ::pthread_getcpuclockid(::pthread_self(), &clock) != 0) return;
  for (std::size_t i = 0; i < kMost; ++i) {
    int free = kFree;
    Place& place = threads_.places_[i];
    if (!place.core.compare_exchange_strong(free, kTaken, std::memory_order_acquire)) continue;
    place.clock.store(clock, std::memory_order_relaxed);
    place.core.store(core, std::memory_order_release);
    place_ = i;
    break;
  }
  OthersCpu();  // what they used before does not count
}

CoreThreads::Seat::~Seat() {
  if (place_ < kMost) threads_.places_[place_].core.store(kFree, std::memory_order_release);
}

Duration CoreThreads::Seat::OthersCpu() noexcept {
  Duration used{};
  if (!pinned_) return used;
  for (std::size_t i = 0; i < kMost; ++i) {
    const Place& place = threads_.places_[i];
    if (i == place_ || place.core.load(std::memory_order_acquire) != core_) continue;
    const Duration now = ReadClock(place.clock.load(std::memory_order_relaxed));
    // A clock that runs backwards is that of another thread, which took the place.
    if (now > seen_[i] && seen_[i] > Duration::zero()) used += now - seen_[i];
    seen_[i] = now;
  }
  return used;
}

RunDelay::RunDelay() noexcept : fd_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {
  if (fd_ >= 0 && Read() == Duration::zero()) {
    // Three fields that are all zero: the kernel was built without counting, or told not to.
    char text[2] = {};
    if (::pread(fd_, text, sizeof(text), 0) != 2 || text[0] == '0') {
      ::close(fd_);
      fd_ = -1;
    }
  }
}

RunDelay::~RunDelay() {
  if (fd_ >= 0) ::close(fd_);
}

Duration RunDelay::Read() const noexcept {
  if (fd_ < 0) return Duration::zero();
  char text[96];
  const ssize_t size = ::pread(fd_, text, sizeof(text), 0);
  if (size <= 0) return Duration::zero();
  const char* const end = text + size;
  const char* const at = std::find<const char*>(text, end, ' ');
  std::int64_t waited = 0;
  if (at == end || std::from_chars(at + 1, end, waited).ec != std::errc()) {
    return Duration::zero();
  }
  return Duration(waited);
}

}  // namespace perf::audio
