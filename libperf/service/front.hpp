// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "libperf/base/clock.hpp"
#include "libperf/base/export.hpp"
#include "libperf/service/address.hpp"
#include "libperf/service/message.hpp"

namespace perf::service {

struct FrontLimits {
  std::size_t connections = 1024;   // beyond: the one that has kept us waiting longest goes
  std::uint32_t header = 16 << 10;  // bytes of request line and fields
  std::uint64_t body = 64 << 10;    // bytes
  Duration request = std::chrono::seconds(10);  // from its first byte to its last
  Duration idle = std::chrono::seconds(60);     // between two requests
  Duration write = std::chrono::seconds(30);    // for a reply to be taken
  unsigned workers = 2;                         // threads that run the handler
};

struct FrontCounters {
  std::uint64_t accepted = 0;
  std::uint64_t open = 0;
  std::uint64_t requests = 0;  // read whole
  std::uint64_t bad = 0;       // refused by the front itself: malformed, too large
  std::uint64_t expired = 0;   // closed because a limit of time had passed
  std::uint64_t shed = 0;      // closed to make room
};

/// An HTTP/1.1 server for unix sockets and TCP, with TLS where files are given: for few, careful
/// answers to many, careless clients. One thread does all input and output, so a client that is
/// slow costs a socket and its buffer; the handler runs in threads of its own.
/// GET, HEAD and POST only; it hands on what TakeTarget accepts, replies with Finish.
/// Thread safety: Listen… before Start, from one thread; Counters from any.
/// Lifetime: the handler outlives it.
class PERF_EXPORT Front {
 public:
  /// Must not throw anything but what becomes a 500.
  using Handler = std::function<Reply(const Request&)>;
  /// Told of what the front refuses by itself, such as "bad_request"; in its thread.
  using Refused = std::function<void(const Peer&, const char* reason)>;

  explicit Front(Handler handler, FrontLimits limits = {}, Refused refused = {});
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  /// Adopts a listening unix socket.
  void ListenUnix(int listener);
  /// Returns the address with the port that it got. TLS where both files are named.
  /// Throws: IoError; ConfigError for files that are no good.
  Address ListenTcp(const Address& address, const std::string& certificate = {},
                    const std::string& key = {});
  void Start();
  /// Accepts nothing more, lets replies under way be taken, then closes all. False: the deadline
  /// came first.
  bool Stop(Deadline deadline);
  FrontCounters Counters() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::service
