// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libperf/backends/stream_dial.hpp"

namespace perf::backends::test {

/// A connected stream socket that the test reads and writes itself. Every wait ends after 20 s.
/// Thread safety: reading and writing may be two threads.
class RawStream {
 public:
  /// What came until the stream ended: `error` 0 for an orderly end, else the errno (ETIMEDOUT
  /// where the stream went on).
  struct Rest {
    std::string bytes;
    int error = 0;
  };

  explicit RawStream(UniqueFd fd) : fd_(std::move(fd)) {}
  /// Connects; without success Error() says why.
  explicit RawStream(const StreamAddress& address);

  int Error() const noexcept { return error_; }
  int Fd() const noexcept { return fd_.Get(); }
  bool Send(std::string_view bytes);
  /// Exactly so many bytes; fewer where the stream ended before.
  std::string Receive(std::size_t count);
  Rest ReceiveAll();
  void EndSending();
  /// Whether something (bytes or an end) can be read now, without a wait.
  bool Readable() const;
  void Reset();
  void Close() { fd_ = UniqueFd(); }

 private:
  UniqueFd fd_;
  int error_ = 0;
};

/// A listening socket on 127.0.0.1, ::1 or a path.
class RawListener {
 public:
  explicit RawListener(const std::string& where = "127.0.0.1");
  ~RawListener();
  RawListener(const RawListener&) = delete;
  RawListener& operator=(const RawListener&) = delete;
  const StreamAddress& Address() const noexcept { return address_; }
  /// Waits for a connection. Fails the test where none comes.
  RawStream Accept();
  /// Whether somebody has connected.
  bool Pending() const;

 private:
  UniqueFd fd_;
  StreamAddress address_;
};

}  // namespace perf::backends::test
