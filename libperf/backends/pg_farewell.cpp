// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/pg_farewell.hpp"

#include <fcntl.h>
#include <libpq-fe.h>
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

/// A socket that waits for its end. What still comes is thrown away: a server that cannot write
/// does not hear that it shall stop.
struct PgFarewell::Leaving {
  Leaving(PgFarewell& the_owner, int the_fd, std::size_t the_host, std::uint64_t the_number)
      : owner(the_owner),
        fd(the_fd),
        host(the_host),
        number(the_number),
        watch(
            owner.loop_, [](void* self) { static_cast<Leaving*>(self)->OnReadable(); },
            [](void*) {}, this),
        alarm(owner.loop_, [this] { owner.Gone(*this); }) {}
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

  PgFarewell& owner;
  int fd;
  std::size_t host;
  std::uint64_t number;
  FdWatch watch;
  Alarm alarm;
};

/// A dial that waits.
class PgFarewell::Waiting {
 public:
  Waiting(PgFarewell& owner, std::size_t host, Deadline deadline)
      : owner_(owner),
        host_(host),
        before_(owner.closed_),
        deadline_(deadline),
        alarm_(owner.loop_, [this] { Resume(); }) {}
  ~Waiting() { std::erase(owner_.waiting_, this); }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  bool Over() const noexcept { return !owner_.Left(host_, before_); }
  void Resume() {
    std::erase(owner_.waiting_, this);
    alarm_.Disarm();
    owner_.loop_.Schedule(handle_);
  }
  bool await_ready() const noexcept { return Over(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    owner_.waiting_.push_back(this);
    alarm_.Arm(deadline_);
  }
  void await_resume() const noexcept {}

 private:
  PgFarewell& owner_;
  std::size_t host_;
  std::uint64_t before_;
  Deadline deadline_;
  Alarm alarm_;
  std::coroutine_handle<> handle_;
};

PgFarewell::PgFarewell(EventLoop& loop) : loop_(loop) {}

PgFarewell::~PgFarewell() = default;

void PgFarewell::Close(pg_conn* connection, std::size_t host) noexcept {
  const int socket = PQsocket(connection);
  // Nobody will look at it on a loop that ends.
  const bool look = socket >= 0 && !loop_.Cancelled();
  const int fd = look ? ::fcntl(socket, F_DUPFD_CLOEXEC, 3) : -1;
  PQfinish(connection);
  if (fd < 0) return;
  // libpq says good-bye only where it had a session; the end of the stream says it in any case.
  ::shutdown(fd, SHUT_WR);
  try {
    Begin(fd, host);
  } catch (...) {
    Log(LogLevel::kDebug, "postgres: an end that cannot be watched: {}", ThrownText());
  }
}

void PgFarewell::Begin(int fd, std::size_t host) {
  Leaving& leaving = leaving_.emplace_back(*this, fd, host, closed_ + 1);
  ++closed_;
  try {
    leaving.watch.Assign(fd);
    leaving.watch.AwaitReadableLevel();
    leaving.alarm.Arm(Deadline::After(Clock::now(), kLongest));
  } catch (...) {
    leaving_.pop_back();
    throw;
  }
}

void PgFarewell::Gone(Leaving& leaving) {
  leaving_.remove_if([&](const Leaving& each) { return &each == &leaving; });
  for (std::size_t i = waiting_.size(); i-- > 0;) {
    if (waiting_[i]->Over()) waiting_[i]->Resume();
  }
}

/// Whether one of a host that was closed as one of the first `before` has not gone.
bool PgFarewell::Left(std::size_t host, std::uint64_t before) const noexcept {
  return std::any_of(leaving_.begin(), leaving_.end(), [&](const Leaving& leaving) {
    return leaving.host == host && leaving.number <= before;
  });
}

Task<void> PgFarewell::Await(std::size_t host, Deadline deadline) {
  Waiting waiting(*this, host, deadline);
  co_await waiting;
}

}  // namespace perf::backends
