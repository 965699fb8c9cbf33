// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fd_watch.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

constexpr std::uint32_t kRead = EPOLLIN | EPOLLRDHUP | EPOLLET;

}  // namespace

bool FdWatch::Pending(int fd) noexcept {
  char byte;
  const auto got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

FdWatch::FdWatch(EventLoop& loop, Callback on_readable, Callback on_writable, void* self)
    : poller_(loop.Sockets()), on_readable_(on_readable), on_writable_(on_writable), self_(self) {}

FdWatch::~FdWatch() { Release(); }

void FdWatch::Assign(int fd) {
  Release();
  if (!poller_.Add(fd, kRead, *this)) {
    throw IoError(std::string("epoll_ctl: ") + std::strerror(errno));
  }
  fd_ = fd;
}

void FdWatch::Release() noexcept {
  if (gone_ != nullptr) *gone_ = true;
  gone_ = nullptr;
  if (fd_ < 0) return;
  poller_.Remove(fd_, *this);
  fd_ = -1;
  want_read_ = want_write_ = edge_ = false;
}

/// Tells again what is ready. Writing is watched only while it is wanted: a unix socket makes an
/// edge of it each time that the peer reads.
void FdWatch::Change() {
  edge_ = false;
  poller_.Change(fd_, want_write_ ? kRead | EPOLLOUT : kRead, *this);
}

void FdWatch::AwaitReadable() {
  want_read_ = true;
  if (edge_) Change();
}

void FdWatch::AwaitReadableLevel() {
  want_read_ = true;
  Change();
}

void FdWatch::AwaitWritable() {
  want_write_ = true;
  Change();
}

void FdWatch::OnEvents(std::uint32_t events) {
  constexpr std::uint32_t kTrouble = EPOLLERR | EPOLLHUP;
  const bool readable = (events & (EPOLLIN | EPOLLRDHUP | kTrouble)) != 0;
  if (want_write_ && (events & (EPOLLOUT | kTrouble)) != 0) {
    bool gone = false;
    gone_ = &gone;
    want_write_ = false;
    // Before the callback, which may want it again; what is readable is told anew by this.
    Change();
    on_writable_(self_);
    if (gone) return;
    gone_ = nullptr;
  }
  if (!readable) return;
  if (!want_read_) {
    edge_ = true;
    return;
  }
  want_read_ = false;
  // The end comes with the edge of the last data, and none after it: whoever takes the data and
  // asks again later is told again.
  edge_ = (events & (EPOLLRDHUP | kTrouble)) != 0;
  on_readable_(self_);  // which may destroy this
}

}  // namespace perf::backends
