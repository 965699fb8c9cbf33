// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "libperf/backends/connection.hpp"
#include "libperf/backends/loop.hpp"
#include "libperf/base/export.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends {

/// A descriptor that is closed with its owner.
class PERF_EXPORT UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd();
  int Get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Where a byte stream leads to.
struct StreamAddress {
  std::string host;  // name, IPv4 or IPv6 literal; ignored beside unix_socket
  std::uint16_t port = 0;
  std::string unix_socket;  // path; empty for TCP
};

/// Opens a non-blocking stream (TCP_NODELAY). Names are resolved at each call, off the loop;
/// literals and "localhost" never; the addresses found are tried in turn, each for its share of
/// the time that is left.
/// Gives no descriptor, and `failure` (always kConnect), where it cannot. Lifetime: `address`,
/// `failure` and the loop outlive the task.
PERF_EXPORT Task<UniqueFd> DialStream(EventLoop& loop, const StreamAddress& address,
                                      Failure& failure, Deadline deadline);

/// The addresses that DialStream would try, as text ("192.0.2.1", "fe80::1%eth0"), in its order and
/// each once, for libraries that dial by themselves. Empty, and `failure` (kConnect), where there
/// are none. Lifetime: as DialStream.
PERF_EXPORT Task<void> ResolveHost(EventLoop& loop, const StreamAddress& address,
                                   std::vector<std::string>& found, Failure& failure,
                                   Deadline deadline);

}  // namespace perf::backends
