// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "libperf/backends/loop.hpp"
#include "libperf/backends/poller.hpp"

namespace perf::backends {

/// One-shot waits on a descriptor that a foreign library owns (libpq, hiredis), on top of a
/// registration that lasts: libraries ask "call me when it can be read" again and again, and none
/// of these costs a system call.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows loop, descriptor and callbacks' `self`; Release before the descriptor is
/// closed. A callback may re-arm, release or destroy the watch.
class FdWatch final : private Poller::Watcher {
 public:
  using Callback = void (*)(void* self);
  FdWatch(EventLoop& loop, Callback on_readable, Callback on_writable, void* self);
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  /// Throws: IoError when the descriptor cannot be watched.
  void Assign(int fd);
  void Release() noexcept;
  bool Assigned() const noexcept { return fd_ >= 0; }

  /// Calls `on_readable` once at the next edge: data that was left unread at the last call counts
  /// only when more arrives, so read until the socket is empty. May call needlessly.
  void AwaitReadable();
  /// As AwaitReadable, but also for what is there already; costs one epoll_ctl.
  void AwaitReadableLevel();
  /// Calls `on_writable` once when the descriptor is writable (or failed).
  void AwaitWritable();

  /// Whether bytes or the end of the stream can be read now: recv with MSG_PEEK.
  static bool Pending(int fd) noexcept;

 private:
  void OnEvents(std::uint32_t events) override;
  void Change();

  Poller& poller_;
  Callback on_readable_;
  Callback on_writable_;
  void* self_;
  int fd_ = -1;
  bool* gone_ = nullptr;  // set by the destructor and by Release while a callback runs
  bool want_read_ = false;
  bool want_write_ = false;
  bool edge_ = false;  // one came while nobody waited
};

}  // namespace perf::backends
