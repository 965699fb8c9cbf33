// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_farewell.hpp"

#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <utility>

#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"

namespace perf::backends {
namespace {

// The first look at one that has not gone, and the longest time between two; it doubles.
constexpr Duration kFirstPause = std::chrono::milliseconds(20);
constexpr Duration kLongestPause = std::chrono::seconds(1);

/// Once the end of our stream is acknowledged nothing is sent any more that could fail: the kernel
/// has to ask whether the server's machine is still there. No matter to unix sockets.
void AskWhetherAlive(int fd) noexcept {
  constexpr int kOn = 1, kSeconds = 1, kTimes = 3;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof kOn);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kSeconds, sizeof kSeconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kSeconds, sizeof kSeconds);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kTimes, sizeof kTimes);
}

/// Whether something that was sent, if only the end, has gone without any answer for that long.
bool Unheard(int fd, Duration length) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_unacked > 0 && std::chrono::milliseconds(info.tcpi_last_ack_recv) >= length;
}

}  // namespace

/// A socket that waits for its end. What still comes is thrown away: a server that cannot write
/// does not hear that it shall stop.
struct PgFarewell::Leaving {
  Leaving(PgFarewell& the_owner, int the_fd, std::size_t the_host, PgCancel the_cancel)
      : owner(the_owner),
        fd(the_fd),
        host(the_host),
        cancel(std::move(the_cancel)),
        watch(
            owner.loop_, [](void* self) { static_cast<Leaving*>(self)->OnReadable(); },
            [](void*) {}, this),
        alarm(owner.loop_, [this] { Look(); }) {}
  ~Leaving() {
    watch.Release();
    ::close(fd);
  }
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;

  void OnReadable() {
    constexpr int kReads = 16;  // before others have their turn
    std::array<char, 65'536> scrap;
    for (int i = 0; i < kReads; ++i) {
      const auto got = ::recv(fd, scrap.data(), scrap.size(), MSG_DONTWAIT);
      if (got > 0 || (got < 0 && errno == EINTR)) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        watch.AwaitReadable();
      } else {
        owner.Gone(*this);
      }
      return;
    }
    watch.AwaitReadableLevel();
  }

  void Look() {
    if (owner.loop_.Cancelled() || Unheard(fd, kSilent)) {
      owner.Gone(*this);
      return;
    }
    CancelLater(cancel);
    alarm.Arm(Deadline::After(Clock::now(), pause));
    pause = std::min(2 * pause, kLongestPause);
  }

  PgFarewell& owner;
  int fd;
  std::size_t host;
  PgCancel cancel;
  TimePoint since = Clock::now();
  Duration pause = kFirstPause;
  FdWatch watch;
  Alarm alarm;
};

/// A dial that waits.
class PgFarewell::Waiting {
 public:
  Waiting(PgFarewell& owner, Deadline deadline)
      : owner_(owner), deadline_(deadline), alarm_(owner.loop_, [this] { Resume(); }) {}
  ~Waiting() { std::erase(owner_.waiting_, this); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  void Resume() {
    std::erase(owner_.waiting_, this);
    alarm_.Disarm();
    owner_.loop_.Schedule(handle_);
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    owner_.waiting_.push_back(this);
    alarm_.Arm(deadline_);
  }
  void await_resume() const noexcept {}

 private:
  PgFarewell& owner_;
  Deadline deadline_;
  Alarm alarm_;
  std::coroutine_handle<> handle_;
};

PgFarewell::PgFarewell(EventLoop& loop) : loop_(loop) {}

PgFarewell::~PgFarewell() = default;

void PgFarewell::Close(pg_conn* connection, std::size_t host, PgCancel cancel) noexcept {
  const int socket = connection != nullptr ? PQsocket(connection) : -1;
  // Nobody will look at it on a loop that ends.
  const bool look = socket >= 0 && !loop_.Cancelled();
  const int fd = look ? ::fcntl(socket, F_DUPFD_CLOEXEC, 3) : -1;
  PQfinish(connection);
  WakeAll();
  if (fd < 0) return;
  AskWhetherAlive(fd);
  // libpq says good-bye only where it had a session; the end of the stream says it in any case.
  ::shutdown(fd, SHUT_WR);
  try {
    Begin(fd, host, std::move(cancel));
  } catch (...) {
    Log(LogLevel::kDebug, "postgres: an end that cannot be watched: {}", ThrownText());
  }
}

void PgFarewell::Begin(int fd, std::size_t host, PgCancel cancel) {
  Leaving& leaving = leaving_.emplace_back(*this, fd, host, std::move(cancel));
  try {
    leaving.watch.Assign(fd);
    leaving.watch.AwaitReadableLevel();
    leaving.alarm.Arm(Deadline::After(Clock::now(), kFirstPause));
  } catch (...) {
    leaving_.pop_back();
    throw;
  }
}

void PgFarewell::Gone(Leaving& leaving) {
  leaving_.remove_if([&](const Leaving& each) { return &each == &leaving; });
  WakeAll();
}

/// They look again, and one of them finds the place.
void PgFarewell::WakeAll() {
  for (Waiting* const waiting : std::exchange(waiting_, {})) waiting->Resume();
}

PgFarewell::Left PgFarewell::Of(std::size_t host) const noexcept {
  Left left;
  for (const Leaving& leaving : leaving_) {
    if (leaving.host != host) continue;
    ++left.count;
    left.since = std::min(left.since, leaving.since);
  }
  return left;
}

Task<void> PgFarewell::Await(Deadline deadline) {
  Waiting waiting(*this, Sooner(deadline, Deadline::After(Clock::now(), kLook)));
  co_await waiting;
}

}  // namespace perf::backends
