// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"

namespace perf::backends {

/// Readiness of many sockets: an epoll set whose registrations last. Asio spends a system call per
/// wait (an early recv, or an epoll_ctl); here a socket stays registered, and one call tells a
/// batch of ready ones.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: a watcher removes its descriptor before it dies.
class PERF_EXPORT Poller final {
 public:
  /// Whoever waits for a descriptor.
  class PERF_EXPORT Watcher {
   public:
    /// `events` as epoll_wait gave them. May add and remove any descriptor and destroy any watcher.
    virtual void OnEvents(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  /// Throws: IoError where the kernel gives no epoll set.
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// `events` as for epoll_ctl, EPOLLET included where wanted. False with errno where it failed.
  bool Add(int fd, std::uint32_t events, Watcher& watcher) noexcept;
  /// Also tells again what is ready, when edge-triggered.
  bool Change(int fd, std::uint32_t events, Watcher& watcher) noexcept;
  /// Before the descriptor is closed. No event of it is delivered any more.
  void Remove(int fd, const Watcher& watcher) noexcept;

  /// Delivers what is ready, after at most `wait` (in whole milliseconds; negative: for ever) where
  /// nothing is. How many events there were. Not from inside of OnEvents.
  std::size_t Poll(Duration wait);
  /// Readable when Poll would find something: for those who watch the set from outside.
  int Descriptor() const noexcept { return set_; }

 private:
  static constexpr int kBatch = 128;

  int set_;
  std::array<epoll_event, kBatch> batch_{};
  int next_ = 0;  // of the batch; those before it have been delivered
  int count_ = 0;
};

}  // namespace perf::backends
