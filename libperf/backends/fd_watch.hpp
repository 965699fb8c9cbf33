// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "libperf/backends/loop.hpp"

namespace perf::backends {

/// Readiness of a descriptor that a foreign library owns (libpq, hiredis), by a registration that
/// lasts: Asio's public async_wait costs an epoll_ctl per wait, which is a tenth of what a
/// request on a local socket costs.
/// Thread safety: none; belongs to its loop's thread.
/// Lifetime: borrows loop, descriptor and callbacks' `self`; Release before the descriptor is
/// closed. A callback may re-arm, release or destroy the watch.
class FdWatch {
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
  struct Registration;
  EventLoop& loop_;
  Callback on_readable_;
  Callback on_writable_;
  void* self_;
  int fd_ = -1;
  Registration* registration_ = nullptr;  // shared with operations that are still queued
};

}  // namespace perf::backends
