// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_core.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/text.hpp"
#include "libperf/base/url.hpp"

namespace perf::backends {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kBacklog = 1024;
constexpr Duration kRetry = std::chrono::milliseconds(50);

struct Where {
  sockaddr_storage storage{};
  socklen_t length = 0;
  sockaddr* Raw() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

[[noreturn]] void Refuse(const std::string& listen, const char* why) {
  throw ConfigError(
      fmt::format("a fault proxy cannot listen on '{}': {}", Excerpt(listen, 200), why));
}

[[noreturn]] void Fail(const std::string& listen) {
  throw IoError(fmt::format("a fault proxy cannot listen on {}: {}", listen,
                            std::generic_category().message(errno)));
}

Where Parse(const std::string& listen, std::uint16_t port) {
  Where where;
  in_addr v4{};
  in6_addr v6{};
  if (listen.starts_with('/')) {
    auto& address = reinterpret_cast<sockaddr_un&>(where.storage);
    if (listen.size() >= sizeof address.sun_path) Refuse(listen, "the path is too long");
    address.sun_family = AF_UNIX;
    listen.copy(address.sun_path, listen.size());
    where.length = sizeof address;
  } else if (::inet_pton(AF_INET, listen.c_str(), &v4) == 1 && IsLoopback(listen)) {
    auto& address = reinterpret_cast<sockaddr_in&>(where.storage);
    address.sin_family = AF_INET;
    address.sin_addr = v4;
    address.sin_port = htons(port);
    where.length = sizeof address;
  } else if (::inet_pton(AF_INET6, listen.c_str(), &v6) == 1 && IsLoopback(listen)) {
    auto& address = reinterpret_cast<sockaddr_in6&>(where.storage);
    address.sin6_family = AF_INET6;
    address.sin6_addr = v6;
    address.sin6_port = htons(port);
    where.length = sizeof address;
  } else {
    Refuse(listen, "expected 127.0.0.1, ::1 or the path of a unix socket");
  }
  return where;
}

UniqueFd Bind(const std::string& listen, std::uint16_t port) {
  Where where = Parse(listen, port);
  UniqueFd fd(::socket(where.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  // The holder and the listener share the port.
  if (fd && where.storage.ss_family != AF_UNIX) {
    ::setsockopt(fd.Get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }
  if (!fd || ::bind(fd.Get(), where.Raw(), where.length) != 0) Fail(listen);
  return fd;
}

std::uint16_t PortOf(const UniqueFd& fd) {
  Where where;
  where.length = sizeof where.storage;
  ::getsockname(fd.Get(), where.Raw(), &where.length);
  // sin_port and sin6_port lie at the same place.
  return ntohs(reinterpret_cast<sockaddr_in&>(where.storage).sin_port);
}

}  // namespace

FaultCore::FaultCore(EventLoop& the_loop, FaultProxyOptions the_options)
    : FaultLinkOwner(the_loop, std::move(the_options)), random_(options.seed), memory_(kReadBytes) {
  door_.core = bell_.core = this;
  timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!timer_) Fail(options.listen);
  buffer = memory_;
  if (options.listen.starts_with('/')) {
    address_.unix_socket = options.listen;
    listener_ = Bind(options.listen, 0);
  } else {
    holder_ = Bind(options.listen, 0);
    address_.host = options.listen;
    address_.port = PortOf(holder_);
    listener_ = Bind(options.listen, address_.port);
  }
  if (::listen(listener_.Get(), kBacklog) != 0) Fail(options.listen);
}

FaultCore::~FaultCore() {
  if (!address_.unix_socket.empty()) ::unlink(address_.unix_socket.c_str());
}

void FaultCore::Start() {
  loop.Sockets().Add(timer_.Get(), EPOLLIN, bell_);
  Watch();
}

void FaultCore::Watch() { watching_ = loop.Sockets().Add(listener_.Get(), EPOLLIN, door_); }

void FaultCore::Unwatch() {
  if (std::exchange(watching_, false)) loop.Sockets().Remove(listener_.Get(), door_);
}

void FaultCore::Listen() {
  if (listener_) return;
  // What stands there is our own socket of before.
  if (!address_.unix_socket.empty()) ::unlink(address_.unix_socket.c_str());
  listener_ = Bind(options.listen, address_.port);
  if (::listen(listener_.Get(), kBacklog) != 0) Fail(options.listen);
  Watch();
}

void FaultCore::StopListening() {
  if (!listener_) return;
  Unwatch();
  const UniqueFd closing = std::exchange(listener_, UniqueFd());
  retry_at_ = TimePoint::max();
}

void FaultCore::AcceptAll() {
  while (listener_) {
    UniqueFd fd(::accept4(listener_.Get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!fd && errno == EAGAIN) return;
    if (!fd) {
      // Out of descriptors, most likely: looking again at once would only spin.
      Unwatch();
      retry_at_ = Clock::now() + kRetry;
      SetBell();
      return;
    }
    if (links_.size() >= options.max_connections) continue;
    if (address_.unix_socket.empty()) {
      const int on = 1;
      ::setsockopt(fd.Get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    auto link = std::make_shared<FaultLink>(shared_from_this(), std::move(fd),
                                            random_.Fork(random_.Next()));
    links_[link.get()].link = link;
    link->Set(fault_);
  }
}

std::vector<std::shared_ptr<FaultLink>> FaultCore::Links() const {
  std::vector<std::shared_ptr<FaultLink>> links;
  links.reserve(links_.size());
  for (const auto& [key, held] : links_) links.push_back(held.link);
  return links;
}

void FaultCore::Set(const Fault& fault) {
  if (closed_) return;
  // Who has connected before suffers like all others.
  AcceptAll();
  fault_ = fault;
  if (fault.refuse) StopListening();
  for (const auto& link : Links()) link->Set(fault);
  if (!fault.refuse) Listen();
}

void FaultCore::Strike(Harm how) {
  AcceptAll();
  for (const auto& link : Links()) link->Strike(how);
}

void FaultCore::Inject(std::size_t bytes) {
  AcceptAll();
  for (const auto& link : Links()) link->Inject(bytes);
}

void FaultCore::WakeAt(FaultLink& link, TimePoint at) {
  const auto found = links_.find(&link);
  if (found == links_.end()) return;
  TimePoint& wake = found->second.wake;
  if (wake == at) return;
  if (wake != TimePoint::max()) wakes_.erase({wake, &link});
  wake = at;
  if (at == TimePoint::max()) return;
  wakes_.emplace(at, &link);
  SetBell();
}

void FaultCore::SetBell() {
  TimePoint next = retry_at_;
  if (!wakes_.empty()) next = std::min(next, wakes_.begin()->first);
  if (next >= rings_at_) return;  // a bell too early only finds nothing to do
  rings_at_ = next;
  // All zero would silence it.
  const auto since = std::max<std::int64_t>(1, next.time_since_epoch().count());
  itimerspec spec{};
  spec.it_value.tv_sec = since / 1'000'000'000;
  spec.it_value.tv_nsec = since % 1'000'000'000;
  ::timerfd_settime(timer_.Get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void FaultCore::Ring() {
  std::uint64_t expirations = 0;
  if (::read(timer_.Get(), &expirations, sizeof expirations) <= 0) return;
  rings_at_ = TimePoint::max();
  const TimePoint now = Clock::now();
  if (retry_at_ <= now) {
    retry_at_ = TimePoint::max();
    if (listener_ && !watching_) Watch();
  }
  std::vector<std::shared_ptr<FaultLink>> due;
  while (!wakes_.empty() && wakes_.begin()->first <= now) {
    Held& held = links_.at(wakes_.begin()->second);
    held.wake = TimePoint::max();
    due.push_back(held.link);
    wakes_.erase(wakes_.begin());
  }
  for (const auto& link : due) link->Work();
  SetBell();
}

void FaultCore::Gone(FaultLink& link) {
  WakeAt(link, TimePoint::max());
  links_.erase(&link);
}

void FaultCore::CloseAll() {
  if (!closed_) loop.Sockets().Remove(timer_.Get(), bell_);
  closed_ = true;
  StopListening();
  for (const auto& link : Links()) link->Close(Harm::kClose, false);
}

}  // namespace perf::backends
