// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/curl_multi.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "libperf/backends/curl_memory.hpp"
#include "libperf/base/error.hpp"

namespace perf::backends {
namespace {

// Idle connections that a multi keeps. The pool bounds them; curl must not close any behind it.
constexpr long kMaxConnections = 1L << 20;

CURLM* MakeMulti() {
  // Once, and before any other thread of ours can be inside curl.
  static const CURLcode global = InitCurl();
  CURLM* multi = global == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi == nullptr) throw IoError("libcurl cannot be initialised");
  return multi;
}

}  // namespace

CurlMulti::CurlMulti(EventLoop& loop)
    : loop_(loop),
      poller_(loop.Sockets()),
      multi_(MakeMulti()),
      timer_(loop, [this] { Act(CURL_SOCKET_TIMEOUT, 0); }) {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlMulti::OnSocket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlMulti::OnTimer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxConnections);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX));
}

CurlMulti::~CurlMulti() {
  // Closes the idle connections, which calls back: everything else still stands.
  curl_multi_cleanup(multi_);
  while (!sockets_.empty()) Forget(sockets_.begin()->first);
}

void CurlMulti::Prepare(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &CurlMulti::OnOpen);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &CurlMulti::OnClose);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
#if LIBCURL_VERSION_NUM >= 0x075700
  // A name that is still being resolved must not hold up the end of the program.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

bool CurlMulti::Start(CURL* easy, CurlTransfer& transfer) {
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  ++started_;
  return curl_multi_add_handle(multi_, easy) == CURLM_OK;
}

void CurlMulti::Abandon(CURL* easy) noexcept { curl_multi_remove_handle(multi_, easy); }

int CurlMulti::OnTimer(CURLM*, long timeout_ms, void* data) {
  auto& self = *static_cast<CurlMulti*>(data);
  if (timeout_ms == 0) {
    // curl must not be called from within its own callback.
    self.PostKick();
  } else if (timeout_ms < 0) {
    self.timer_.Disarm();
  } else {
    self.timer_.Arm(Deadline::After(Clock::now(), std::chrono::milliseconds(timeout_ms)));
  }
  return 0;
}

void CurlMulti::PostKick() {
  if (std::exchange(kick_posted_, true)) return;
  loop_.Soon([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->kick_posted_ = false;
      self->Kick();
    }
  });
}

void CurlMulti::Kick() {
  // curl writes each request of an HTTP/2 connection by itself; held back until all are there, they
  // share packets. One request per connection has nothing to wait for.
  const bool shared = std::exchange(started_, 0) >= 4 * sockets_.size();
  if (shared) Cork(1);
  Act(CURL_SOCKET_TIMEOUT, 0);
  if (shared) Cork(0);
}

void CurlMulti::Cork(int on) noexcept {
  for (const auto& [fd, socket] : sockets_) {
    if (socket->opened_by_us) ::setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
  }
}

CurlMulti::Socket& CurlMulti::Find(int fd) {
  auto& slot = sockets_[fd];
  // Not opened through OnOpen: a resolver's; it may be closed without a word after its removal.
  if (!slot) slot = std::make_unique<Socket>(*this, fd, false);
  return *slot;
}

int CurlMulti::OnSocket(CURL*, curl_socket_t fd, int what, void* data, void* known) {
  auto& self = *static_cast<CurlMulti*>(data);
  if (what == CURL_POLL_REMOVE) {
    const auto found = self.sockets_.find(fd);
    if (found == self.sockets_.end()) return 0;
    found->second->wanted = 0;
    if (!found->second->opened_by_us) self.Forget(fd);
    return 0;
  }
  auto* socket = static_cast<Socket*>(known);
  if (socket == nullptr) {
    socket = &self.Find(fd);
    curl_multi_assign(self.multi_, fd, socket);
  }
  std::uint32_t wanted = 0;
  if ((what & CURL_POLL_IN) != 0) wanted |= EPOLLIN;
  if ((what & CURL_POLL_OUT) != 0) wanted |= EPOLLOUT;
  self.Watch(*socket, wanted);
  return 0;
}

/// Registered but unwanted reading is left: it costs nothing until something comes, and curl will
/// want it again. Unwanted writing would wake the loop at once.
void CurlMulti::Watch(Socket& socket, std::uint32_t wanted) noexcept {
  socket.wanted = wanted;
  const std::uint32_t next = wanted | (socket.registered & EPOLLIN);
  if (next == socket.registered) return;
  const bool fresh = socket.registered == 0;
  socket.registered = next;
  // The number may have been closed and opened again in between, in either order.
  if (fresh) {
    if (poller_.Add(socket.fd, next, socket) || errno != EEXIST) return;
    poller_.Change(socket.fd, next, socket);
  } else {
    if (poller_.Change(socket.fd, next, socket) || errno != ENOENT) return;
    poller_.Add(socket.fd, next, socket);
  }
}

void CurlMulti::Forget(int fd) noexcept {
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) return;
  if (found->second->registered != 0) poller_.Remove(fd, *found->second);
  sockets_.erase(found);
}

void CurlMulti::Socket::OnEvents(std::uint32_t events) {
  constexpr std::uint32_t kTrouble = EPOLLERR | EPOLLHUP;
  if ((events & (wanted | kTrouble)) == 0 || wanted == 0) {
    // Nobody reads it now: level-triggered, it would be told for ever.
    registered = wanted;
    if (wanted == 0) {
      multi.poller_.Remove(fd, *this);
    } else {
      multi.poller_.Change(fd, wanted, *this);
    }
    return;
  }
  int what = 0;
  if ((events & (EPOLLIN | EPOLLHUP)) != 0) what |= CURL_CSELECT_IN;
  if ((events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
  if ((events & EPOLLERR) != 0) what |= CURL_CSELECT_ERR;
  multi.Act(fd, what);  // which may close and destroy this socket
}

curl_socket_t CurlMulti::OnOpen(void* data, curlsocktype, curl_sockaddr* address) {
  auto& self = *static_cast<CurlMulti*>(data);
  const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0) return CURL_SOCKET_BAD;
  self.Forget(fd);
  self.sockets_[fd] = std::make_unique<Socket>(self, fd, true);
  return fd;
}

int CurlMulti::OnClose(void* data, curl_socket_t fd) {
  static_cast<CurlMulti*>(data)->Forget(fd);
  return ::close(fd);
}

void CurlMulti::Act(curl_socket_t fd, int events) {
  // What is resumed may let go of the last handle.
  const auto self = shared_from_this();
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  Reap();
}

void CurlMulti::Reap() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* easy = message->easy_handle;
    const CURLcode result = message->data.result;  // the message dies with the removal
    CurlTransfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_multi_remove_handle(multi_, easy);
    transfer->OnDone(result);
  }
}

}  // namespace perf::backends
