// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "libperf/backends/http_request.hpp"
#include "libperf/backends/http_server.hpp"
#include "libperf/base/clock.hpp"

namespace perf::backends {

class HttpSession;

/// What a session needs of its server.
class HttpSessionOwner {
 public:
  virtual ~HttpSessionOwner() = default;
  virtual void Handle(const ServedRequest& request, ServedReply& reply) = 0;
  virtual const HttpServerLimits& Limits() const noexcept = 0;
  virtual void CountBad() noexcept = 0;
  virtual void Left(HttpSession& session) noexcept = 0;
};

/// One connection of an HttpServer: reads a request, waits if the reply says so, sends it, goes on.
/// Thread safety: none; on its server's thread.
/// Lifetime: kept alive by its pending operation; the owner outlives it.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(HttpSessionOwner& owner, boost::asio::ip::tcp::socket socket);
  ~HttpSession();
  void Start();
  void Close() noexcept;
  /// Whether it is longer in its phase than a client in good order needs.
  bool Expired(TimePoint now) const noexcept { return now >= limit_; }

 private:
  void Read();
  void OnBytes(std::size_t bytes);
  /// Answers what lies in the buffer until something must be waited for.
  void Serve();
  /// False where the session waits for its reply's time.
  bool ServeOne();
  void Refuse(int status);
  void WaitUntil(TimePoint at, void (HttpSession::*then)());
  void Resume();
  void AppendHead(bool with_length, std::size_t length);
  void AppendReply();
  /// Fills the output with pieces of the stream that are due; true at the stream's end.
  bool Pump(TimePoint now);
  void Stream();
  /// Writes all output, then does `then`.
  void Flush(void (HttpSession::*then)());
  void Finish();
  void Linger();
  void Discard();

  HttpSessionOwner& owner_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  TimePoint limit_ = TimePoint::max();          // of the phase
  TimePoint request_limit_ = TimePoint::max();  // of the request that has begun
  std::vector<char> in_;
  std::size_t begin_ = 0;  // of what is not yet consumed
  std::size_t end_ = 0;
  std::string out_;
  std::size_t written_ = 0;
  RequestReader reader_;
  ServedReply reply_;
  std::string body_;          // of a reply that waits
  std::string content_type_;  // likewise
  std::string piece_;
  bool head_only_ = false;
  bool http10_ = false;
  bool keep_alive_ = true;
};

}  // namespace perf::backends
