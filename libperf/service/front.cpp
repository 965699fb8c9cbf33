// SPDX-License-Identifier: Apache-2.0
#include "libperf/service/front.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "libperf/backends/tls_files.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"
#include "libperf/base/url.hpp"
#include "libperf/service/front_session.hpp"

namespace perf::service {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;

constexpr Duration kSweep = 250ms;  // limits of time need not be more exact
constexpr Duration kHurry = 1s;     // left for the rest of a request when the stop has begun
constexpr Duration kRetry = 50ms;   // after a lack of descriptors

Peer PeerOf(int socket) {
  Peer peer;
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &length);
  if (storage.ss_family == AF_UNIX) {
    ucred who{};
    socklen_t size = sizeof who;
    // Without credentials it is nobody that we know, and so no local peer.
    peer.local = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
    peer.uid = who.uid;
    peer.pid = who.pid;
    if (!peer.local) peer.address = "unknown";
    return peer;
  }
  char text[INET6_ADDRSTRLEN] = "unknown";
  if (storage.ss_family == AF_INET) {
    const auto* four = reinterpret_cast<const sockaddr_in*>(&storage);
    ::inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
  } else if (storage.ss_family == AF_INET6) {
    const auto* six = reinterpret_cast<const sockaddr_in6*>(&storage);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
    ::inet_ntop(mapped ? AF_INET : AF_INET6,
                mapped ? static_cast<const void*>(&six->sin6_addr.s6_addr[12]) : &six->sin6_addr,
                text, sizeof text);
  }
  peer.address = text;
  peer.loopback = IsLoopback(peer.address);
  return peer;
}

int Bind(const Address& address, Address& bound) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_in);
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, address.host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(address.port);
  } else {
    length = sizeof(sockaddr_in6);
    ::inet_pton(AF_INET6, address.host.c_str(), &six->sin6_addr);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(address.port);
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) != 0 ||
      ::listen(fd, 512) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    const int code = errno;
    if (fd >= 0) ::close(fd);
    throw IoError(fmt::format("cannot listen on {}: {}", Text(address), std::strerror(code)));
  }
  bound = address;
  bound.port = ntohs(storage.ss_family == AF_INET ? four->sin_port : six->sin6_port);
  return fd;
}

std::unique_ptr<asio::ssl::context> MakeTls(const std::string& certificate,
                                            const std::string& key) {
  for (const std::string& fault :
       {backends::CertificateFault(certificate), backends::KeyFault(key, certificate)}) {
    if (!fault.empty()) throw ConfigError(fault);
  }
  auto tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                   asio::ssl::context::no_tlsv1_1 | asio::ssl::context::no_compression);
  tls->use_certificate_chain_file(certificate);
  tls->use_private_key_file(key, asio::ssl::context::pem);
  return tls;
}

struct Listener {
  Listener(asio::io_context& context, int fd, bool tcp_socket)
      : descriptor(context, fd), retry(context), tcp(tcp_socket) {}
  asio::posix::stream_descriptor descriptor;
  asio::steady_timer retry;
  bool tcp;
  std::unique_ptr<asio::ssl::context> tls;
};

}  // namespace

struct Front::Parts {
  Parts(Handler handler, FrontLimits limits, Refused refused)
      : shared(std::move(handler), limits, std::move(refused)), sweeper(shared.context) {}

  void Accept(Listener& listener) {
    listener.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                   [this, &listener](error_code error) {
                                     if (error) return;
                                     if (AcceptAll(listener)) return Accept(listener);
                                     // Out of descriptors, most likely: looking again at once would
                                     // only spin.
                                     Shed();
                                     listener.retry.expires_after(kRetry);
                                     listener.retry.async_wait([this, &listener](error_code late) {
                                       if (!late) Accept(listener);
                                     });
                                   });
  }

  /// False where accepting failed for want of something.
  bool AcceptAll(Listener& listener) {
    for (;;) {
      const int fd = ::accept4(listener.descriptor.native_handle(), nullptr, nullptr,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
      ++shared.accepted;
      if (shared.sessions.size() >= shared.limits.connections && !Shed()) {
        ::close(fd);
        ++shared.shed;
        continue;
      }
      const int on = 1;
      if (listener.tcp) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      sockaddr_storage storage{};
      socklen_t length = sizeof storage;
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
      asio::generic::stream_protocol::socket socket(shared.context);
      error_code error;
      socket.assign(asio::generic::stream_protocol(storage.ss_family, 0), fd, error);
      if (error) {
        ::close(fd);
        continue;
      }
      auto session = std::make_shared<Session>(std::move(socket));
      session->peer = PeerOf(fd);
      Serve(shared, std::move(session), listener.tls.get());
    }
  }

  /// Closes the session that has kept us waiting longest; false where each is being served.
  bool Shed() {
    std::shared_ptr<Session> oldest;
    for (const auto& session : shared.sessions) {
      if (session->Waits() && session->socket.is_open() &&
          (!oldest || session->since < oldest->since)) {
        oldest = session;
      }
    }
    if (!oldest) return false;
    oldest->Close();
    ++shared.shed;
    return true;
  }

  void Sweep() {
    sweeper.expires_after(kSweep);
    sweeper.async_wait([this](error_code error) {
      if (error) return;
      const TimePoint now = Clock::now();
      for (const auto& session : shared.sessions) {
        if (now < session->limit || !session->socket.is_open()) continue;
        session->Close();
        ++shared.expired;
      }
      Sweep();
    });
  }

  void Drain() {
    shared.draining = true;
    for (const auto& listener : listeners) listener->descriptor.close();
    const TimePoint soon = Clock::now() + kHurry;
    for (const auto& session : shared.sessions) {
      if (session->phase == Session::Phase::kIdle) session->Close();
      if (session->phase == Session::Phase::kReading) {
        session->limit = std::min(session->limit, soon);
      }
    }
  }

  FrontShared shared;
  asio::steady_timer sweeper;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::thread thread;
};

Front::Front(Handler handler, FrontLimits limits, Refused refused) {
  // Half of the descriptors stay for everything else that this process opens.
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    limits.connections = std::min(limits.connections, std::max<std::size_t>(files.rlim_cur / 2, 1));
  }
  parts_ = std::make_unique<Parts>(std::move(handler), limits, std::move(refused));
}

Front::~Front() { Stop(Deadline::After(Clock::now(), 1s)); }

void Front::ListenUnix(int listener) {
  parts_->listeners.push_back(std::make_unique<Listener>(parts_->shared.context, listener, false));
}

Address Front::ListenTcp(const Address& address, const std::string& certificate,
                         const std::string& key) {
  std::unique_ptr<asio::ssl::context> tls;
  if (!certificate.empty()) tls = MakeTls(certificate, key);
  Address bound;
  const int fd = Bind(address, bound);
  auto listener = std::make_unique<Listener>(parts_->shared.context, fd, true);
  listener->tls = std::move(tls);
  parts_->listeners.push_back(std::move(listener));
  return bound;
}

void Front::Start() {
  parts_->thread = std::thread([this] {
    for (const auto& listener : parts_->listeners) parts_->Accept(*listener);
    parts_->Sweep();
    parts_->shared.context.run();
  });
}

bool Front::Stop(Deadline deadline) {
  if (!parts_->thread.joinable()) return true;
  asio::post(parts_->shared.context, [this] { parts_->Drain(); });
  while (parts_->shared.open.load() > 0 && !deadline.Passed(Clock::now())) {
    std::this_thread::sleep_for(2ms);
  }
  const bool clean = parts_->shared.open.load() == 0;
  // Handlers come to their ends first: they may refer to what their caller destroys next.
  parts_->shared.workers.join();
  std::promise<void> closed;
  asio::post(parts_->shared.context, [this, &closed] {
    for (const auto& session : parts_->shared.sessions) session->Close();
    parts_->sweeper.cancel();
    closed.set_value();
  });
  closed.get_future().wait();
  const Deadline last = Deadline::After(Clock::now(), 200ms);
  while (parts_->shared.open.load() > 0 && !last.Passed(Clock::now())) {
    std::this_thread::sleep_for(1ms);
  }
  parts_->shared.context.stop();
  parts_->thread.join();
  return clean;
}

FrontCounters Front::Counters() const noexcept {
  const FrontShared& shared = parts_->shared;
  return {shared.accepted, shared.open, shared.requests, shared.bad, shared.expired, shared.shed};
}

}  // namespace perf::service
