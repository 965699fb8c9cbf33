// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

namespace perf::backends {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr std::size_t kReadSize = 16 << 10;
// A chunked body of tiny chunks takes several times its size on the wire.
constexpr std::size_t kMaxInput = 4 * kMaxServedBody;
constexpr std::size_t kKeptInput = 64 << 10;
// How much of a stream one turn may make before others have theirs.
constexpr std::size_t kPumpBytes = 128 << 10;

constexpr auto kLingerLimit = 2s;

std::string_view Reason(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

void AppendNumber(std::string& out, std::uint64_t value, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
  out.append(digits, end);
}

/// Up to the next whole millisecond: streams that are paced alike then wake the thread once.
TimePoint OnTick(TimePoint at) noexcept {
  return TimePoint(std::chrono::ceil<std::chrono::milliseconds>(at.time_since_epoch()));
}

}  // namespace

HttpSession::HttpSession(HttpSessionOwner& owner, asio::ip::tcp::socket socket)
    : owner_(owner), socket_(std::move(socket)), timer_(socket_.get_executor()), in_(kReadSize) {}

HttpSession::~HttpSession() { owner_.Left(*this); }

void HttpSession::Start() {
  error_code error;
  socket_.non_blocking(true, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) return;
  Read();
}

void HttpSession::Close() noexcept {
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

void HttpSession::Read() {
  if (begin_ == end_) begin_ = end_ = 0;
  limit_ = begin_ == end_ ? Clock::now() + owner_.Limits().idle : request_limit_;
  if (in_.size() - end_ < kReadSize / 2) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= std::exchange(begin_, 0);
    if (in_.size() - end_ < kReadSize / 2) in_.resize(in_.size() * 2);
  }
  socket_.async_read_some(asio::buffer(in_.data() + end_, in_.size() - end_),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            if (!error) self->OnBytes(bytes);
                          });
}

void HttpSession::OnBytes(std::size_t bytes) {
  if (begin_ == end_) request_limit_ = Clock::now() + owner_.Limits().request;
  end_ += bytes;
  Serve();
}

void HttpSession::Serve() {
  while (begin_ < end_) {
    const auto state = reader_.Read({in_.data() + begin_, end_ - begin_});
    if (state == RequestReader::State::kBad) return Refuse(reader_.BadStatus());
    if (state != RequestReader::State::kDone) {
      if (end_ - begin_ > kMaxInput) return Refuse(413);
      if (reader_.TakeExpectation()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
      break;
    }
    if (!ServeOne()) return;
    if (!keep_alive_) return Flush(&HttpSession::Linger);
  }
  Flush(&HttpSession::Read);
}

bool HttpSession::ServeOne() {
  const ServedRequest& request = reader_.Request();
  head_only_ = request.method == "HEAD";
  http10_ = request.http10;
  keep_alive_ = request.keep_alive;
  reply_ = ServedReply();
  owner_.Handle(request, reply_);
  const TimePoint now = Clock::now();
  request_limit_ = now + owner_.Limits().request;  // of the next one
  const bool waits = reply_.at > now;
  if (waits || reply_.stream) {
    // Views into the input die with the request.
    content_type_ = reply_.content_type;
    body_ = reply_.body;
    reply_.content_type = content_type_;
    reply_.body = body_;
  } else {
    AppendReply();
  }
  begin_ += reader_.Consumed();
  reader_.Reset();
  if (!waits && !reply_.stream) return true;
  limit_ = TimePoint::max();  // ours is the next move
  // Earlier replies of a pipeline need not wait with this one.
  if (waits)
    Flush(&HttpSession::Resume);
  else
    Resume();
  return false;
}

void HttpSession::Resume() {
  if (reply_.at > Clock::now()) return WaitUntil(reply_.at, &HttpSession::Resume);
  if (reply_.stream && !head_only_) {
    AppendHead(false, 0);
    return Stream();
  }
  if (reply_.stream)
    AppendHead(false, 0);
  else
    AppendReply();
  Finish();
}

void HttpSession::Finish() {
  reply_.stream.reset();
  if (in_.size() > kKeptInput && begin_ == end_) {
    in_.resize(kReadSize);
    in_.shrink_to_fit();
    begin_ = end_ = 0;
  }
  if (!keep_alive_) return Flush(&HttpSession::Linger);
  request_limit_ = Clock::now() + owner_.Limits().request;
  // Not Serve itself: a pipeline of replies would grow the stack.
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->Serve(); });
}

void HttpSession::WaitUntil(TimePoint at, void (HttpSession::*then)()) {
  timer_.expires_at(OnTick(at));
  timer_.async_wait([self = shared_from_this(), then](error_code error) {
    if (!error && self->socket_.is_open()) (self.get()->*then)();
  });
}

void HttpSession::AppendHead(bool with_length, std::size_t length) {
  out_ += "HTTP/1.1 ";
  AppendNumber(out_, static_cast<std::uint64_t>(reply_.status));
  out_ += ' ';
  out_ += Reason(reply_.status);
  out_ += "\r\nServer: perfkit\r\n";
  if (with_length) {
    out_ += "Content-Length: ";
    AppendNumber(out_, length);
    out_ += "\r\n";
  } else if (reply_.stream && http10_) {
    keep_alive_ = false;  // the end of the connection is the end of the body
  } else if (reply_.stream) {
    out_ += "Transfer-Encoding: chunked\r\n";
  }
  if (!reply_.content_type.empty() && (length > 0 || reply_.stream)) {
    out_ += "Content-Type: ";
    out_ += reply_.content_type;
    out_ += "\r\n";
  }
  out_ += reply_.fields;
  if (!keep_alive_)
    out_ += "Connection: close\r\n";
  else if (http10_)
    out_ += "Connection: keep-alive\r\n";
  out_ += "\r\n";
}

void HttpSession::AppendReply() {
  const std::string_view body = reply_.own_body.empty() ? reply_.body : reply_.own_body;
  const bool bodiless = reply_.status == 204 || reply_.status == 304;
  AppendHead(!bodiless, bodiless ? 0 : body.size());
  if (!bodiless && !head_only_) out_ += body;
}

bool HttpSession::Pump(TimePoint now) {
  while (out_.size() < kPumpBytes && reply_.stream->Due() <= now) {
    piece_.clear();
    const bool more = reply_.stream->Next(piece_);
    if (!http10_) {
      AppendNumber(out_, piece_.size(), 16);
      out_ += "\r\n";
    }
    out_ += piece_;
    if (!http10_) out_ += more ? "\r\n" : "\r\n0\r\n\r\n";
    if (!more) return true;
  }
  return false;
}

void HttpSession::Stream() {
  const TimePoint now = Clock::now();
  if (Pump(now)) return Flush(&HttpSession::Finish);
  // After a full turn's worth the socket is asked first: a slow reader must not fill our memory.
  if (!out_.empty()) return Flush(&HttpSession::Stream);
  WaitUntil(reply_.stream->Due(), &HttpSession::Stream);
}

void HttpSession::Flush(void (HttpSession::*then)()) {
  error_code error;
  while (written_ < out_.size() && !error)
    written_ +=
        socket_.write_some(asio::buffer(out_.data() + written_, out_.size() - written_), error);
  if (error && error != asio::error::would_block) return Close();
  if (written_ < out_.size()) {
    limit_ = Clock::now() + owner_.Limits().write;
    socket_.async_wait(asio::socket_base::wait_write,
                       [self = shared_from_this(), then](error_code late) {
                         if (!late) self->Flush(then);
                       });
    return;
  }
  out_.clear();
  written_ = 0;
  if (then == &HttpSession::Stream || then == &HttpSession::Finish) {
    limit_ = TimePoint::max();
    asio::post(socket_.get_executor(), [self = shared_from_this(), then] {
      if (self->socket_.is_open()) (self.get()->*then)();
    });
    return;
  }
  (this->*then)();
}

void HttpSession::Refuse(int status) {
  owner_.CountBad();
  reply_ = ServedReply();
  reply_.status = status;
  reply_.own_body = fmt::format("{} {}\n", status, Reason(status));
  keep_alive_ = false;
  head_only_ = false;
  http10_ = false;
  AppendReply();
  Flush(&HttpSession::Linger);
}

void HttpSession::Linger() {
  // Closing with unread input would reset the connection, and the client might lose our reply.
  limit_ = Clock::now() + kLingerLimit;
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return Close();
  Discard();
}

void HttpSession::Discard() {
  socket_.async_read_some(asio::buffer(in_),
                          [self = shared_from_this()](error_code error, std::size_t) {
                            if (error) return self->Close();
                            self->Discard();
                          });
}

}  // namespace perf::backends
