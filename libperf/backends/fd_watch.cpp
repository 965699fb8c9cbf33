// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fd_watch.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/version.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "libperf/base/error.hpp"

// The reactor's own interface is not promised by Asio; it is used for the releases that were tried,
// others fall back to async_wait.
#if defined(__linux__) && BOOST_VERSION >= 108100 && BOOST_VERSION <= 108300 && \
    !defined(BOOST_ASIO_HAS_IO_URING_AS_DEFAULT)
#define PERF_WATCH_REACTOR 1
#include <boost/asio/detail/reactor.hpp>
#include <boost/asio/detail/reactor_op.hpp>
#else
#define PERF_WATCH_REACTOR 0
#include <boost/asio/posix/stream_descriptor.hpp>
#endif

namespace perf::backends {
namespace asio = boost::asio;

bool FdWatch::Pending(int fd) noexcept {
  char byte;
  const auto got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

#if PERF_WATCH_REACTOR

namespace {

using Reactor = asio::detail::reactor;
using ReactorOp = asio::detail::reactor_op;

bool WritableNow(int fd) noexcept {
  pollfd entry{fd, POLLOUT, 0};
  return ::poll(&entry, 1, 0) != 0;
}

}  // namespace

/// Outlives its watch while the reactor or the scheduler still holds one of its operations.
struct FdWatch::Registration {
  struct Op final : ReactorOp {
    Op(Registration& registration, perform_func_type perform)
        : ReactorOp({}, perform, &Op::Complete), owner(registration) {}
    // Exhausted: the edge is consumed, and the reactor remembers the next one even while
    // nobody waits for it.
    static status PerformRead(ReactorOp*) { return done_and_exhausted; }
    // A stale event of a recycled registration must not pass for "connected".
    static status PerformWrite(ReactorOp* base) {
      const auto& op = *static_cast<Op*>(base);
      return op.owner.fd < 0 || WritableNow(op.owner.fd) ? done_and_exhausted : not_done;
    }
    static void Complete(void* scheduler, asio::detail::scheduler_operation* base,
                         const boost::system::error_code&, std::size_t) {
      auto& op = *static_cast<Op*>(base);
      op.queued = false;
      Registration& registration = op.owner;
      FdWatch* watch = registration.watch;
      if (watch == nullptr) {
        registration.DeleteIfIdle();
      } else if (scheduler != nullptr) {
        const Callback callback =
            &op == &registration.read ? watch->on_readable_ : watch->on_writable_;
        callback(watch->self_);
      }
    }
    Registration& owner;
    bool queued = false;
  };

  Registration(FdWatch& owner, int descriptor)
      : watch(&owner),
        fd(descriptor),
        reactor(asio::use_service<Reactor>(owner.loop_.Context())),
        read(*this, &Op::PerformRead),
        write(*this, &Op::PerformWrite) {
    reactor.init_task();
  }
  void DeleteIfIdle() {
    if (!read.queued && !write.queued) delete this;
  }
  void Start(int type, Op& op, bool speculative) {
    if (op.queued) return;
    op.queued = true;
    op.ec_ = {};
    reactor.start_op(type, fd, data, &op, true, speculative);
  }

  FdWatch* watch;
  int fd;
  Reactor& reactor;
  Reactor::per_descriptor_data data{};
  Op read;
  Op write;
};

void FdWatch::Assign(int fd) {
  Release();
  auto registration = std::make_unique<Registration>(*this, fd);
  const int error = registration->reactor.register_descriptor(fd, registration->data);
  if (error != 0) {
    registration->reactor.cleanup_descriptor_data(registration->data);
    throw IoError(std::string("epoll_ctl: ") + std::strerror(error));
  }
  registration_ = registration.release();
  fd_ = fd;
}

void FdWatch::Release() noexcept {
  if (fd_ < 0) return;
  fd_ = -1;
  Registration* registration = std::exchange(registration_, nullptr);
  registration->watch = nullptr;
  // Pending operations come back through Complete, later.
  registration->reactor.deregister_descriptor(registration->fd, registration->data, false);
  registration->reactor.cleanup_descriptor_data(registration->data);
  registration->fd = -1;
  registration->DeleteIfIdle();
}

void FdWatch::AwaitReadable() { registration_->Start(Reactor::read_op, registration_->read, true); }

void FdWatch::AwaitReadableLevel() {
  registration_->Start(Reactor::read_op, registration_->read, false);
}

void FdWatch::AwaitWritable() {
  registration_->Start(Reactor::write_op, registration_->write, false);
}

#else

struct FdWatch::Registration : std::enable_shared_from_this<FdWatch::Registration> {
  Registration(FdWatch& owner, int fd) : watch(&owner), descriptor(owner.loop_.Context(), fd) {}
  void Start(asio::posix::stream_descriptor::wait_type type, bool& queued) {
    if (queued) return;
    queued = true;
    descriptor.async_wait(type, [self = shared_from_this(), type, &queued](const auto&) {
      queued = false;
      if (self->watch == nullptr) return;
      const bool read = type == asio::posix::stream_descriptor::wait_read;
      (read ? self->watch->on_readable_ : self->watch->on_writable_)(self->watch->self_);
    });
  }
  FdWatch* watch;
  asio::posix::stream_descriptor descriptor;
  std::shared_ptr<Registration> keep;
  bool reading = false;
  bool writing = false;
};

void FdWatch::Assign(int fd) {
  Release();
  auto registration = std::make_shared<Registration>(*this, fd);
  registration->keep = registration;
  registration_ = registration.get();
  fd_ = fd;
}

void FdWatch::Release() noexcept {
  if (fd_ < 0) return;
  fd_ = -1;
  Registration* registration = std::exchange(registration_, nullptr);
  registration->watch = nullptr;
  registration->descriptor.release();
  registration->keep.reset();
}

void FdWatch::AwaitReadable() {
  registration_->Start(asio::posix::stream_descriptor::wait_read, registration_->reading);
}

void FdWatch::AwaitReadableLevel() { AwaitReadable(); }

void FdWatch::AwaitWritable() {
  registration_->Start(asio::posix::stream_descriptor::wait_write, registration_->writing);
}

#endif

FdWatch::FdWatch(EventLoop& loop, Callback on_readable, Callback on_writable, void* self)
    : loop_(loop), on_readable_(on_readable), on_writable_(on_writable), self_(self) {}

FdWatch::~FdWatch() { Release(); }

}  // namespace perf::backends
