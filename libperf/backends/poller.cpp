// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/poller.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "libperf/base/error.hpp"

namespace perf::backends {

Poller::Poller() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (set_ < 0) throw IoError(std::string("epoll_create1: ") + std::strerror(errno));
}

Poller::~Poller() { ::close(set_); }

bool Poller::Add(int fd, std::uint32_t events, Watcher& watcher) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool Poller::Change(int fd, std::uint32_t events, Watcher& watcher) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  return ::epoll_ctl(set_, EPOLL_CTL_MOD, fd, &event) == 0;
}

void Poller::Remove(int fd, const Watcher& watcher) noexcept {
  ::epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = next_; i < count_; ++i) {
    auto& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &watcher) event.data.ptr = nullptr;
  }
}

std::size_t Poller::Poll(Duration wait) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait).count();
  next_ = 0;
  count_ = std::max(0, ::epoll_wait(set_, batch_.data(), kBatch, static_cast<int>(ms)));
  const auto delivered = static_cast<std::size_t>(count_);
  while (next_ < count_) {
    const epoll_event event = batch_[static_cast<std::size_t>(next_++)];
    if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->OnEvents(event.events);
  }
  return delivered;
}

}  // namespace perf::backends
