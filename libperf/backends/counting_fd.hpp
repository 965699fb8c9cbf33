// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "libperf/backends/poller.hpp"

namespace perf::backends {

/// A descriptor that the kernel counts up (timerfd, eventfd): calls `then` when it did.
/// Thread safety: none, but anybody may write to an eventfd. Lifetime: shorter than the poller's.
class CountingFd final : public Poller::Watcher {
 public:
  /// Owns `fd`. Throws: IoError when it is negative (from errno) or cannot be watched.
  CountingFd(Poller& poller, int fd, const char* what, std::function<void()> then);
  ~CountingFd();
  CountingFd(const CountingFd&) = delete;
  CountingFd& operator=(const CountingFd&) = delete;
  int Get() const noexcept { return fd_; }
  void OnEvents(std::uint32_t events) override;

 private:
  Poller& poller_;
  int fd_;
  std::function<void()> then_;
};

}  // namespace perf::backends
