// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/poller.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace asio = boost::asio;

asio::execution_context::id Poller::id;

Poller::Poller(asio::execution_context& context)
    : asio::execution_context::service(context), set_(static_cast<asio::io_context&>(context)) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw IoError(std::string("epoll_create1: ") + std::strerror(errno));
  set_.assign(fd);
  Wait();
}

Poller& Poller::Of(asio::io_context& context) { return asio::use_service<Poller>(context); }

void Poller::shutdown() {
  boost::system::error_code ignored;
  set_.close(ignored);
}

bool Poller::Add(int fd, std::uint32_t events, Watcher& watcher) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Poller::Change(int fd, std::uint32_t events, Watcher& watcher) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_MOD, fd, &event) == 0;
}

void Poller::Remove(int fd, const Watcher& watcher) noexcept {
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = next_; i < count_; ++i) {
    auto& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watcher) event.data.ptr = nullptr;
  }
}

void Poller::Wait() {
  set_.async_wait(asio::posix::stream_descriptor::wait_read,
                  [this](const boost::system::error_code& error) {
                    if (error) return;
                    Dispatch();
                    // Asks for an edge of the whole set: told at once if more is ready.
                    Wait();
                  });
}

void Poller::Dispatch() {
  next_ = 0;
  count_ = std::max(0, ::epoll_wait(set_.native_handle(), batch_.data(), kBatch, 0));
  while (next_ < count_) {
    const epoll_event event = batch_[static_cast<std::size_t>(next_++)];
    if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->OnEvents(event.events);
  }
}

}  // namespace perf::backends
