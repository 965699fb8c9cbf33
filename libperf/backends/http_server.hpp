// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "libperf/backends/http_request.hpp"
#include "libperf/base/clock.hpp"

namespace perf::backends {

/// A reply's body made piece by piece, sent chunked. Destroyed when sent or when the client left.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// Appends the next piece, which is not empty; false with the last one.
  virtual bool Next(std::string& piece) = 0;
  /// When the piece that Next would give is due; the past for at once.
  virtual TimePoint Due() const noexcept = 0;
};

/// What a handler answers.
struct ServedReply {
  int status = 200;
  std::string_view content_type = "text/plain";  // copied when the handler has returned
  std::string fields;                            // further "Name: value\r\n" lines
  std::string_view body;                         // as content_type; may point into the request
  std::string own_body;                          // sent instead of `body` where not empty
  std::unique_ptr<BodyStream> stream;            // instead of both
  TimePoint at{};                                // nothing is sent before
};

struct HttpServerCounters {
  std::uint64_t accepted = 0;
  std::uint64_t open = 0;
  std::uint64_t refused = 0;   // more than kMaxSessions at once
  std::uint64_t requests = 0;  // read whole, before they are answered
  std::uint64_t bad = 0;       // answered 400, 413, 431, 501 or 505 by the server itself
  std::uint64_t expired = 0;   // closed because a limit of time was passed
};

/// How long a client may take; looked at once a second.
struct HttpServerLimits {
  Duration idle = std::chrono::minutes(5);
  Duration request = std::chrono::seconds(10);  // from its first byte to its last
  Duration write = std::chrono::seconds(30);    // while it takes nothing of a reply
};

/// An HTTP/1.1 server on one thread, made to cost little beside the load generator that it
/// serves: keep-alive, pipelining, no allocation per small request.
/// Waits are ended to the millisecond (up to 1 ms late), so that many paced streams share wake-ups.
/// Thread safety: Stop from any thread. Lifetime: the handler outlives it.
class HttpServer {
 public:
  using Handler = std::function<void(const ServedRequest&, ServedReply&)>;
  static constexpr std::size_t kMaxSessions = 10000;

  /// Adopts the listening socket. Throws: IoError where it is none.
  HttpServer(int listener, Handler handler, HttpServerLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Serves until Stop, then closes all connections.
  void Run();
  void Stop();
  /// Thread safety: for the handler.
  const HttpServerCounters& Counters() const noexcept;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace perf::backends
