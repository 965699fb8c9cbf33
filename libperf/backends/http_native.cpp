// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_native.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <coroutine>
#include <system_error>
#include <utility>

#include "libperf/backends/http1_parser.hpp"
#include "libperf/backends/http_common.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/backends/stream_dial.hpp"

namespace perf::backends {
namespace {

constexpr std::uint32_t kIdleEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
// A body up to this size is copied behind the head, which is cheaper than a second vector.
constexpr std::size_t kMaxCopiedBody = 16 << 10;
// Reads in a row before others get their turn.
constexpr int kMaxReads = 16;

/// What the connections of one connector share. The buffer serves whoever reads right now: a
/// reply is parsed before anybody else runs.
struct Shared {
  Shared(EventLoop& l, HttpConfig&& c)
      : loop(l), poller(l.Sockets()), config(std::move(c)), preamble(config) {}

  EventLoop& loop;
  Poller& poller;
  HttpConfig config;
  HttpPreamble preamble;
  std::array<char, 64 << 10> buffer;
};

class NativeConnection final : public HttpConnection, private Poller::Watcher {
 public:
  NativeConnection(std::shared_ptr<Shared> shared, UniqueFd fd)
      : shared_(std::move(shared)), fd_(std::move(fd)), alarm_(shared_->loop, [this] {
          timed_out_ = true;
          Resume();
        }) {
    usable_ = shared_->poller.Add(fd_.Get(), kIdleEvents, *this);
  }
  ~NativeConnection() override { shared_->poller.Remove(fd_.Get(), *this); }

  bool Reusable() const noexcept override { return usable_; }
  bool Alive() noexcept override;
  Task<void> Exchange(const HttpRequest& request, HttpReply& reply, Deadline deadline) override;

 private:
  struct Ready {
    NativeConnection& self;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { self.waiter_ = handle; }
    void await_resume() const noexcept {}
  };
  /// Keeps an exchange that is destroyed half-way from being resumed.
  struct Exchanging {
    NativeConnection& self;
    ~Exchanging() {
      self.alarm_.Disarm();
      self.waiter_ = {};
    }
  };

  void OnEvents(std::uint32_t events) override;
  void Resume();
  bool Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline);
  void Send();
  void Receive(HttpReply& reply);
  void Rearm();
  void End(HttpReply& reply);
  bool SaidAllOrAnswered() const noexcept { return parser_.Finished() || error_ != 0; }

  std::shared_ptr<Shared> shared_;
  UniqueFd fd_;
  Alarm alarm_;
  std::coroutine_handle<> waiter_;
  Http1Parser parser_;
  std::string out_;        // head, and body where it is small
  std::string_view body_;  // of the request, where it is not
  std::size_t sent_ = 0;   // of both
  int error_ = 0;          // errno of a failed read
  unsigned pieces_ = 0;    // reads that gave something
  bool usable_ = true;
  bool readable_ = false;  // an edge came since the socket was last empty
  bool hung_up_ = false;   // the peer sends no more than what is there
  bool blocked_ = false;   // the socket takes no more for now
  bool timed_out_ = false;
};

void NativeConnection::OnEvents(std::uint32_t events) {
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & EPOLLOUT) != 0) blocked_ = false;
  Resume();
}

void NativeConnection::Resume() {
  // The coroutine may destroy this connection: nothing may follow.
  if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
}

bool NativeConnection::Alive() noexcept {
  if (!usable_) return false;
  char byte = 0;
  const ssize_t got = ::recv(fd_.Get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    readable_ = false;
    return true;
  }
  usable_ = false;
  return false;
}

/// Sends what the socket takes. A failure to send is not told: the peer may have answered before
/// it hung up, and the read that follows finds out.
void NativeConnection::Send() {
  while (sent_ < out_.size() + body_.size() && !blocked_) {
    const std::string_view head = std::string_view(out_).substr(std::min(sent_, out_.size()));
    const std::string_view body = body_.substr(sent_ - std::min(sent_, out_.size()));
    ssize_t put = 0;
    if (body_.empty()) {
      put = ::send(fd_.Get(), head.data(), head.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      std::array<iovec, 2> parts{iovec{const_cast<char*>(head.data()), head.size()},
                                 iovec{const_cast<char*>(body.data()), body.size()}};
      msghdr message{};
      message.msg_iov = parts.data();
      message.msg_iovlen = parts.size();
      put = ::sendmsg(fd_.Get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (put >= 0) {
      sent_ += static_cast<std::size_t>(put);
    } else if (errno == EAGAIN) {
      blocked_ = true;
      Rearm();
    } else if (errno != EINTR) {
      usable_ = false;
      body_ = {};
      sent_ = out_.size();
      readable_ = true;
    }
  }
}

void NativeConnection::Receive(HttpReply& reply) {
  auto& buffer = shared_->buffer;
  for (int reads = 0; reads < kMaxReads && !SaidAllOrAnswered(); ++reads) {
    const ssize_t got = ::recv(fd_.Get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno == EINTR) continue;
      readable_ = false;
      if (errno != EAGAIN) error_ = errno;
      return;
    }
    if (++pieces_ == 1) reply.timing.first_byte = Clock::now();
    const auto size = static_cast<std::size_t>(got);
    if (size == 0) {
      usable_ = false;
      parser_.FeedEnd();
      return;
    }
    // What is behind the reply belongs to none.
    if (parser_.Feed(std::string_view(buffer.data(), size)) != size) usable_ = false;
    // A short read emptied the socket, and more data makes a new edge; the end of the stream
    // does not where its edge came together with the data.
    if (size < buffer.size() && !hung_up_) {
      readable_ = false;
      return;
    }
  }
  if (parser_.Finished()) return;
  readable_ = false;
  Rearm();
}

/// Asks for the edges that matter, and for those again that are still true.
void NativeConnection::Rearm() {
  std::uint32_t events = kIdleEvents;
  if (blocked_) events |= EPOLLOUT;
  shared_->poller.Change(fd_.Get(), events, *this);
}

bool NativeConnection::Begin(const HttpRequest& request, HttpReply& reply, Deadline deadline) {
  if (!BeginReply(request, reply, deadline)) return false;
  if (!usable_ || (readable_ && !Alive())) {
    usable_ = false;
    FailReply(reply, ErrorKind::kProtocol, "closed by peer before the request");
    return false;
  }
  out_.clear();
  shared_->preamble.AppendHead(request, out_);
  body_ = request.body;
  if (body_.size() <= kMaxCopiedBody) {
    out_ += body_;
    body_ = {};
  }
  sent_ = 0;
  error_ = 0;
  pieces_ = 0;
  blocked_ = timed_out_ = false;
  Http1Parser::Sink sink;
  if (request.keep_headers) sink.fields = &reply.headers;
  sink.body = &reply.body;
  sink.max_body = request.keep_body ? shared_->config.max_body_kept : 0;
  sink.max_error_body = kErrorBodyKept;
  parser_.Start(request.method == "HEAD", sink);
  alarm_.Arm(deadline);
  return true;
}

Task<void> NativeConnection::Exchange(const HttpRequest& request, HttpReply& reply,
                                      Deadline deadline) {
  if (!Begin(request, reply, deadline)) co_return;
  const Exchanging guard{*this};
  Send();
  while (!SaidAllOrAnswered()) {
    if (!readable_) {
      co_await Ready{*this};
      if (timed_out_) break;
      Send();
    }
    if (readable_) Receive(reply);
  }
  End(reply);
}

void NativeConnection::End(HttpReply& reply) {
  reply.status = parser_.Status();
  reply.version = parser_.Version();
  reply.body_bytes = parser_.BodyBytes();
  const bool whole = parser_.Finished() && !parser_.Failed();
  // A request that was answered before it was sent leaves its rest to nobody.
  const bool all_sent = sent_ >= out_.size() + body_.size();
  if (!parser_.KeepAlive() || !all_sent || hung_up_) usable_ = false;
  // Where one read brought it all, first and last byte came at the same time.
  reply.timing.done = whole && pieces_ == 1 ? reply.timing.first_byte : Clock::now();
  if (whole) return;
  if (parser_.Failed()) {
    FailReply(reply, ErrorKind::kProtocol, parser_.Error());
  } else if (error_ != 0) {
    FailReply(reply, ErrorKind::kProtocol,
              "reading the reply: " + std::generic_category().message(error_));
  } else {
    FailReply(reply, ErrorKind::kTimeout,
              reply.timing.first_byte == TimePoint{}
                  ? "no reply in time"
                  : "the reply was not whole in time, after " + std::to_string(reply.body_bytes) +
                        " body bytes");
  }
}

class NativeConnector final : public HttpConnector {
 public:
  NativeConnector(EventLoop& loop, HttpConfig&& config)
      : shared_(std::make_shared<Shared>(loop, std::move(config))) {
    const HttpConfig& kept = shared_->config;
    address_.host = kept.base.host;
    address_.port = kept.base.port != 0 ? kept.base.port : 80;
    address_.unix_socket = kept.unix_socket;
    if (kept.via_port != 0) address_ = {"127.0.0.1", kept.via_port, ""};
  }

  Task<Dialled<HttpConnection>> Dial(Deadline deadline) override {
    Dialled<HttpConnection> dialled;
    UniqueFd fd = co_await DialStream(shared_->loop, address_, dialled.failure, deadline);
    if (fd) dialled.connection = std::make_unique<NativeConnection>(shared_, std::move(fd));
    co_return dialled;
  }

  Task<void> Probe(Failure& failure, Deadline deadline) override {
    co_await DialStream(shared_->loop, address_, failure, deadline);
  }

 private:
  std::shared_ptr<Shared> shared_;
  StreamAddress address_;
};

}  // namespace

std::unique_ptr<HttpConnector> MakeNativeConnector(EventLoop& loop, HttpConfig config) {
  return std::make_unique<NativeConnector>(loop, std::move(config));
}

}  // namespace perf::backends
