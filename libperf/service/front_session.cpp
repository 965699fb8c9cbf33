// SPDX-License-Identifier: Apache-2.0
// Of this module only this file includes Beast: it is slow to compile.
#include "libperf/service/front_session.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/text.hpp"

namespace perf::service {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Socket = asio::generic::stream_protocol::socket;
using Parser = http::request_parser<http::string_body>;

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr Duration kLinger = std::chrono::seconds(1);
constexpr std::size_t kMostLinger = 256 << 10;  // bytes read on after a refusal
constexpr std::size_t kReadAhead = 64 << 10;    // bytes kept of what is not parsed yet

std::string_view View(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// Of what the parser did not like; 0: the peer went away.
int StatusOf(const error_code& error) {
  if (error == http::error::header_limit) return 431;
  // A chunk's extension or a trailer: the parser's own limits leave them out.
  if (error == http::error::buffer_overflow) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_transfer_encoding) return 501;
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    const bool gone = error == http::error::end_of_stream || error == http::error::partial_message;
    return gone ? 0 : 400;
  }
  return 0;
}

const char* ReasonOf(int status) noexcept {
  switch (status) {
    case 413: return "body_too_large";
    case 431: return "header_too_large";
    case 501: return "not_implemented";
    default: return "bad_request";
  }
}

Request Taken(const Parser::value_type& message, const Peer& peer) {
  Request request;
  request.method = View(message.method_string());
  request.body = message.body();
  request.peer = peer;
  for (const auto& field : message) {
    request.fields.emplace_back(ToLower(View(field.name_string())),
                                std::string(View(field.value())));
  }
  return request;
}

std::string HeadOf(const Reply& reply, bool keep_alive, bool http10) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nServer: perfkit\r\n", reply.status,
                                 ReasonPhrase(reply.status));
  if (reply.status != 304 && reply.status != 204) {
    head += fmt::format("Content-Length: {}\r\n", reply.body->size());
    if (!reply.body->empty()) head += fmt::format("Content-Type: {}\r\n", reply.content_type);
  }
  for (const auto& [name, value] : reply.fields) head += fmt::format("{}: {}\r\n", name, value);
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (http10) {
    head += "Connection: keep-alive\r\n";
  }
  return head + "\r\n";
}

/// The dialogue over one stream, plain or TLS.
template <typename Stream>
class Dialogue {
 public:
  Dialogue(FrontShared& shared, std::shared_ptr<Session> session, Stream& stream)
      : shared_(shared),
        session_(std::move(session)),
        stream_(stream),
        buffer_(shared.limits.header + kReadAhead) {}

  asio::awaitable<void> Run() {
    // g++ 12 makes a trap of `while (co_await Next()) {}`.
    for (bool more = true; more;) more = co_await Next();
  }

 private:
  /// One request and its reply; false where the connection has come to its end.
  asio::awaitable<bool> Next() {
    if (buffer_.size() == 0) {
      if (shared_.draining) co_return false;
      session_->Enter(Session::Phase::kIdle, Clock::now(), shared_.limits.idle);
      const auto [error, bytes] = co_await stream_.async_read_some(buffer_.prepare(4096), kTuple);
      if (error) co_return false;
      buffer_.commit(bytes);
    }
    session_->Enter(Session::Phase::kReading, Clock::now(), shared_.limits.request);
    Parser parser;
    parser.header_limit(shared_.limits.header);
    parser.body_limit(shared_.limits.body);
    auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
    if (!error && !parser.is_done()) {
      if (View(parser.get()[http::field::expect]) == "100-continue") {
        co_await Write("HTTP/1.1 100 Continue\r\n\r\n", {});
        session_->Enter(Session::Phase::kReading, session_->since, shared_.limits.request);
      }
      std::tie(error, bytes) = co_await http::async_read(stream_, buffer_, parser, kTuple);
    }
    if (error) {
      const int status = StatusOf(error);
      if (status != 0) co_await Refuse(status);
      co_return false;
    }
    co_return co_await Answer(parser.release());
  }

  asio::awaitable<bool> Answer(Parser::value_type message) {
    Request request = Taken(message, session_->peer);
    const bool http10 = message.version() < 11;
    if (!TakeTarget(View(message.target()), request) || message.version() > 11 ||
        (!http10 && message.count(http::field::host) != 1)) {
      co_await Refuse(400);
      co_return false;
    }
    ++shared_.requests;
    session_->Enter(Session::Phase::kWorking, Clock::now(), std::chrono::hours(24));
    Reply reply = co_await asio::co_spawn(shared_.workers, Work(request), asio::use_awaitable);
    const bool keep_alive = message.keep_alive() && !shared_.draining && session_->socket.is_open();
    const bool head_only = request.method == "HEAD";
    const bool sent =
        co_await Write(HeadOf(reply, keep_alive, http10),
                       head_only ? std::string_view() : std::string_view(*reply.body));
    co_return sent&& keep_alive;
  }

  /// In a worker's thread.
  asio::awaitable<Reply> Work(const Request& request) {
    Reply reply;
    try {
      reply = shared_.handler(request);
      Finish(request, reply);
    } catch (...) {
      Log(LogLevel::kError, "{} {}: {}", request.method, request.path, ThrownText());
      reply = Problem(500, "the agent failed; its log says how");
      Finish(request, reply);
    }
    co_return reply;
  }

  asio::awaitable<bool> Write(std::string head, std::string_view body) {
    session_->Enter(Session::Phase::kWriting, Clock::now(), shared_.limits.write);
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head),
                                                     asio::buffer(body.data(), body.size())};
    const auto [error, bytes] = co_await asio::async_write(stream_, parts, kTuple);
    co_return !error;
  }

  asio::awaitable<void> Refuse(int status) {
    ++shared_.bad;
    if (shared_.refused) shared_.refused(session_->peer, ReasonOf(status));
    const Request request;
    Reply reply = Problem(status, "the request is malformed, or larger than the agent takes");
    Finish(request, reply);
    const bool sent = co_await Write(HeadOf(reply, false, false), *reply.body);
    if (!sent) co_return;
    // Closing with unread input would reset the connection, and the client might lose our reply.
    error_code ignored;
    session_->socket.shutdown(Socket::shutdown_send, ignored);
    session_->Enter(Session::Phase::kWriting, Clock::now(), kLinger);
    std::array<char, 4096> bin;
    for (std::size_t read = 0; read < kMostLinger;) {
      const auto [error, bytes] =
          co_await session_->socket.async_read_some(asio::buffer(bin), kTuple);
      if (error) co_return;
      read += bytes;
    }
  }

  FrontShared& shared_;
  const std::shared_ptr<Session> session_;
  Stream& stream_;
  boost::beast::flat_buffer buffer_;
};

asio::awaitable<void> Speak(FrontShared& shared, std::shared_ptr<Session> session,
                            asio::ssl::context* tls) {
  if (tls == nullptr) {
    Dialogue<Socket> dialogue(shared, session, session->socket);
    co_return co_await dialogue.Run();
  }
  asio::ssl::stream<Socket&> stream(session->socket, *tls);
  session->Enter(Session::Phase::kReading, Clock::now(), shared.limits.request);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
  if (error) co_return;
  Dialogue<asio::ssl::stream<Socket&>> dialogue(shared, session, stream);
  co_await dialogue.Run();
}

asio::awaitable<void> Keep(FrontShared& shared, std::shared_ptr<Session> session,
                           asio::ssl::context* tls) {
  shared.sessions.insert(session);
  ++shared.open;
  try {
    co_await Speak(shared, session, tls);
  } catch (const std::exception& error) {
    Log(LogLevel::kDebug, "a connection ended: {}", error.what());
  }
  session->Close();
  shared.sessions.erase(session);
  --shared.open;
}

}  // namespace

void Session::Close() noexcept {
  error_code ignored;
  socket.close(ignored);
}

void Serve(FrontShared& shared, std::shared_ptr<Session> session, asio::ssl::context* tls) {
  asio::co_spawn(shared.context, Keep(shared, std::move(session), tls), asio::detached);
}

}  // namespace perf::service
