// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/stream_dial.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "libperf/backends/poller.hpp"
#include "libperf/base/guarded.hpp"
#include "libperf/base/text.hpp"

namespace perf::backends {
namespace {

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Endpoint FromAddress(const sockaddr* address, socklen_t length) {
  Endpoint endpoint;
  std::memcpy(&endpoint.storage, address, length);
  endpoint.length = length;
  return endpoint;
}

/// "192.0.2.1", "2001:db8::1" or "fe80::1%eth0"; also the numeric short forms of inet_aton.
/// AI_NUMERICHOST never asks anybody.
int Lookup(const std::string& host, std::uint16_t port, int flags, std::vector<Endpoint>& found) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  for (const addrinfo* entry = list; error == 0 && entry != nullptr; entry = entry->ai_next) {
    found.push_back(FromAddress(entry->ai_addr, entry->ai_addrlen));
  }
  if (list != nullptr) ::freeaddrinfo(list);
  return error;
}

std::string Describe(const StreamAddress& address) {
  if (!address.unix_socket.empty()) return address.unix_socket;
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

void Fail(Failure& failure, const StreamAddress& address, const std::string& why) {
  failure.kind = ErrorKind::kConnect;
  failure.text = Excerpt("connect to " + Describe(address) + ": " + why, 500);
}

/// One lookup on a thread of its own. The thread is detached, because getaddrinfo cannot be
/// interrupted and neither a deadline nor the end of the process should wait for it.
struct Resolution {
  struct Shared {
    EventLoop* loop = nullptr;  // null once nobody waits
    std::coroutine_handle<> waiter;
    std::vector<Endpoint> found;
    int error = 0;
    bool done = false;
  };
  using State = Guarded<Shared>;

  static void Resume(const std::shared_ptr<State>& state) {
    std::coroutine_handle<> waiter;
    {
      auto shared = state->Lock();
      if (shared->loop == nullptr) return;
      waiter = std::exchange(shared->waiter, {});
    }
    if (waiter) waiter.resume();
  }

  static void Run(const std::shared_ptr<State>& state, const std::string& host,
                  std::uint16_t port) {
    std::vector<Endpoint> found;
    const int error = Lookup(host, port, AI_ADDRCONFIG, found);
    auto shared = state->Lock();
    shared->found = std::move(found);
    shared->error = error;
    shared->done = true;
    if (shared->loop != nullptr) shared->loop->Post([state] { Resume(state); });
  }

  Resolution(EventLoop& loop, Deadline deadline) : alarm(loop, [this] { Resume(state); }) {
    auto shared = state->Lock();
    shared->loop = &loop;
    alarm.Arm(deadline);
  }
  ~Resolution() {
    auto shared = state->Lock();
    shared->loop = nullptr;
    shared->waiter = {};
  }

  struct Wait {
    State& state;
    bool await_ready() const { return false; }
    bool await_suspend(std::coroutine_handle<> handle) const {
      auto shared = state.Lock();
      if (shared->done) return false;
      shared->waiter = handle;
      return true;
    }
    void await_resume() const noexcept {}
  };

  std::shared_ptr<State> state = std::make_shared<State>();
  Alarm alarm;
};

Task<void> Resolve(EventLoop& loop, const StreamAddress& address, std::vector<Endpoint>& found,
                   Failure& failure, Deadline deadline) {
  // A name of the machine itself (RFC 6761) needs no resolver, and bare systems have none.
  if (EqualsIgnoreCase(address.host, "localhost")) {
    Lookup("127.0.0.1", address.port, AI_NUMERICHOST, found);
    Lookup("::1", address.port, AI_NUMERICHOST, found);
    co_return;
  }
  if (Lookup(address.host, address.port, AI_NUMERICHOST, found) == 0) co_return;
  Resolution resolution(loop, deadline);
  try {
    std::thread([state = resolution.state, host = address.host, port = address.port] {
      Resolution::Run(state, host, port);
    }).detach();
  } catch (const std::exception& error) {
    Fail(failure, address, error.what());
    co_return;
  }
  Resolution::Wait wait{*resolution.state};
  co_await wait;
  auto shared = resolution.state->Lock();
  if (!shared->done) {
    Fail(failure, address, "the name was not resolved in time");
  } else if (shared->error != 0) {
    Fail(failure, address, ::gai_strerror(shared->error));
  }
  found = std::move(shared->found);
}

/// Waits until a socket is connected, or until its alarm.
class ConnectWait final : public Poller::Watcher {
 public:
  ConnectWait(EventLoop& loop, int fd, Deadline deadline)
      : poller_(loop.Sockets()), fd_(fd), alarm_(loop, [this] { Resume(); }) {
    ready_ = !poller_.Add(fd, EPOLLOUT | EPOLLONESHOT, *this);
    alarm_.Arm(deadline);
  }
  ~ConnectWait() { poller_.Remove(fd_, *this); }
  void OnEvents(std::uint32_t) override {
    ready_ = true;
    Resume();
  }
  bool Ready() const noexcept { return ready_; }
  bool await_ready() const noexcept { return ready_; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter_ = handle; }
  void await_resume() const noexcept {}

 private:
  void Resume() {
    if (auto waiter = std::exchange(waiter_, {})) waiter.resume();
  }
  Poller& poller_;
  int fd_;
  bool ready_ = false;
  std::coroutine_handle<> waiter_;
  Alarm alarm_;
};

Task<UniqueFd> Connect(EventLoop& loop, const Endpoint& endpoint, int& error, Deadline deadline) {
  const int family = endpoint.storage.ss_family;
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  error = errno;
  if (!fd) co_return UniqueFd();
  if (family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(fd.Get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.storage);
  for (;;) {
    if (::connect(fd.Get(), address, endpoint.length) == 0) co_return fd;
    error = errno;
    if (error != EAGAIN) break;
    // A unix socket whose queue of connections is full: nothing tells when it is no more.
    const TimePoint again = Clock::now() + std::chrono::milliseconds(1);
    if (deadline.Passed(again) || loop.Cancelled()) break;
    co_await loop.SleepUntil(again);
  }
  if (error != EINPROGRESS) co_return UniqueFd();
  ConnectWait wait(loop, fd.Get(), deadline);
  co_await wait;
  error = ETIMEDOUT;
  socklen_t length = sizeof error;
  if (wait.Ready()) ::getsockopt(fd.Get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) co_return UniqueFd();
  co_return fd;
}

bool UnixEndpoint(const std::string& path, std::vector<Endpoint>& found) {
  sockaddr_un address{};
  if (path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  found.push_back(FromAddress(reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return true;
}

}  // namespace

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) ::close(fd_);
}

Task<UniqueFd> DialStream(EventLoop& loop, const StreamAddress& address, Failure& failure,
                          Deadline deadline) {
  failure.Clear();
  std::vector<Endpoint> found;
  if (address.unix_socket.empty()) {
    co_await Resolve(loop, address, found, failure, deadline);
  } else if (!UnixEndpoint(address.unix_socket, found)) {
    Fail(failure, address, "the path is too long for a socket");
  }
  if (failure) co_return UniqueFd();
  int error = EADDRNOTAVAIL;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const TimePoint now = Clock::now();
    // The last one gets all of the rest.
    const auto share = deadline.Remaining(now) / static_cast<std::int64_t>(found.size() - i);
    const Deadline part = deadline.IsNever() ? deadline : Deadline::After(now, share);
    UniqueFd fd = co_await Connect(loop, found[i], error, part);
    if (fd) co_return fd;
  }
  Fail(failure, address, error == ETIMEDOUT ? "timed out" : std::generic_category().message(error));
  co_return UniqueFd();
}

Task<void> ResolveHost(EventLoop& loop, const StreamAddress& address,
                       std::vector<std::string>& found, Failure& failure, Deadline deadline) {
  failure.Clear();
  std::vector<Endpoint> endpoints;
  co_await Resolve(loop, address, endpoints, failure, deadline);
  for (const Endpoint& endpoint : endpoints) {
    char text[INET6_ADDRSTRLEN + 32] = "";
    const auto* const raw = reinterpret_cast<const sockaddr*>(&endpoint.storage);
    if (::getnameinfo(raw, endpoint.length, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) {
      continue;
    }
    if (std::find(found.begin(), found.end(), text) == found.end()) found.emplace_back(text);
  }
  if (!failure && found.empty()) Fail(failure, address, "the name has no address");
}

}  // namespace perf::backends
