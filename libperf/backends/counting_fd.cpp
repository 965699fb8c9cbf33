// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/counting_fd.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::backends {

CountingFd::CountingFd(Poller& poller, int fd, const char* what, std::function<void()> then)
    : poller_(poller), fd_(fd), then_(std::move(then)) {
  if (fd >= 0 && poller.Add(fd, EPOLLIN | EPOLLET, *this)) return;
  const std::string why = std::strerror(errno);
  if (fd >= 0) ::close(fd);
  throw IoError(what + (": " + why));
}

CountingFd::~CountingFd() {
  poller_.Remove(fd_, *this);
  ::close(fd_);
}

void CountingFd::OnEvents(std::uint32_t) {
  std::uint64_t count = 0;
  if (::read(fd_, &count, sizeof count) > 0) then_();
}

}  // namespace perf::backends
