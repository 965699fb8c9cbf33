// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>

#include "libperf/base/export.hpp"

namespace perf::backends {

/// Readiness of many sockets at one io_context: an epoll set of its own, which Asio watches as one
/// descriptor. Asio alone spends a system call per wait (an early recv, or an epoll_ctl); here a
/// socket stays registered, and a batch of ready ones costs three calls together.
/// Thread safety: none; belongs to the thread that runs the context.
/// Lifetime: lives as long as its context; a watcher removes its descriptor before it dies.
class PERF_EXPORT Poller final : public boost::asio::execution_context::service {
 public:
  /// Whoever waits for a descriptor.
  class PERF_EXPORT Watcher {
   public:
    /// `events` as epoll_wait gave them. May add and remove any descriptor and destroy any watcher.
    virtual void OnEvents(std::uint32_t events) = 0;

   protected:
    ~Watcher() = default;
  };

  using key_type = Poller;
  static boost::asio::execution_context::id id;

  explicit Poller(boost::asio::execution_context& context);
  /// The poller of that context, made at the first call.
  static Poller& Of(boost::asio::io_context& context);

  /// `events` as for epoll_ctl, EPOLLET included where wanted. False with errno where it failed.
  bool Add(int fd, std::uint32_t events, Watcher& watcher) noexcept;
  /// Also tells again what is ready, when edge-triggered.
  bool Change(int fd, std::uint32_t events, Watcher& watcher) noexcept;
  /// Before the descriptor is closed. No event of it is delivered any more.
  void Remove(int fd, const Watcher& watcher) noexcept;

 private:
  static constexpr int kBatch = 128;

  void shutdown() override;
  void Wait();
  void Dispatch();

  boost::asio::posix::stream_descriptor set_;
  std::array<epoll_event, kBatch> batch_{};
  int next_ = 0;  // of the batch; those before it have been delivered
  int count_ = 0;
};

}  // namespace perf::backends
