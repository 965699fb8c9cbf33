// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy_link.hpp"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace perf::backends {
namespace {

constexpr int kRoundsPerTurn = 8;  // reads of one direction before others get theirs
// So long a reset waits for the bytes before it to be acknowledged, by the millisecond.
constexpr int kMostResetTries = 300;

bool EndsAtOnce(const StreamFault& fault) noexcept {
  return (fault.harm == Harm::kReset || fault.harm == Harm::kClose) && fault.after == 0;
}

/// Bytes that were sent and are not yet with the peer.
int Unacknowledged(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace

void FaultLink::Side::OnEvents(std::uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable = true;
  const std::shared_ptr<FaultLink> alive = link->weak_from_this().lock();
  if (alive) alive->Work();
}

FaultLink::FaultLink(std::shared_ptr<FaultLinkOwner> owner, UniqueFd client, Random random)
    : owner_(std::move(owner)),
      up_(client_, server_, random.Fork(0)),
      down_(server_, client_, random.Fork(1)) {
  client_.link = server_.link = this;
  owner_->tally.Accepted(Clock::now());
  Attach(client_, std::move(client));
}

void FaultLink::Attach(Side& side, UniqueFd fd) {
  side.fd = std::move(fd);
  owner_->loop.Sockets().Add(side.fd.Get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, side);
}

void FaultLink::Detach(Side& side, Harm how) {
  if (!side.fd) return;
  owner_->loop.Sockets().Remove(side.fd.Get(), side);
  if (how == Harm::kReset) {
    const linger now{1, 0};
    ::setsockopt(side.fd.Get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  } else {
    // A close alone would send a reset where something was not read.
    ::shutdown(side.fd.Get(), SHUT_WR);
  }
  const UniqueFd closing = std::exchange(side.fd, UniqueFd());
}

void FaultLink::Set(const Fault& fault) {
  // What has come until now belongs to the fault before, told by an event or not.
  client_.readable = server_.readable = true;
  if (!closed_) Work();
  if (closed_) return;
  const auto healed = [](const Way& way, const StreamFault& next) {
    return way.line.Lost() && next.harm != Harm::kBlackhole;
  };
  if (EndsAtOnce(fault.up)) return Close(fault.up.harm, true);
  if (EndsAtOnce(fault.down)) return Close(fault.down.harm, true);
  if (healed(up_, fault.up) || healed(down_, fault.down)) return Close(Harm::kReset, true);
  const TimePoint now = Clock::now();
  up_.line.Set(fault.up, now);
  down_.line.Set(fault.down, now);
  // A connection into a black hole leads nowhere, until that is gone.
  const bool swallowed = fault.up.harm == Harm::kBlackhole && fault.up.after == 0;
  if (!server_.fd && !dialling_ && !swallowed) {
    dialling_ = true;
    owner_->loop.Spawn(Dial(shared_from_this()));
  }
  if (!closed_) Work();
}

void FaultLink::Strike(Harm how) {
  if (closed_) return;
  if (how != Harm::kHalfClose) return Close(how, true);
  down_.line.PushEnd(Harm::kHalfClose, Clock::now());
  Work();
}

void FaultLink::Inject(std::size_t bytes) {
  if (closed_) return;
  down_.line.Inject(bytes, Clock::now());
  Work();
}

Task<void> FaultLink::Dial(std::shared_ptr<FaultLink> self) {
  FaultLinkOwner& owner = *self->owner_;
  Failure failure;
  const Deadline deadline = Deadline::After(Clock::now(), owner.options.connect_timeout);
  UniqueFd fd = co_await DialStream(owner.loop, owner.options.upstream, failure, deadline);
  self->Dialled(std::move(fd), failure);
}

void FaultLink::Dialled(UniqueFd fd, const Failure& failure) {
  dialling_ = false;
  if (closed_) return;
  if (failure) {
    owner_->tally.DialFailed(failure.text);
    return Close(Harm::kReset, false);
  }
  Attach(server_, std::move(fd));
  Work();
}

void FaultLink::Close(Harm how, bool by_fault) {
  if (std::exchange(closed_, true)) return;
  Tell();
  Detach(client_, how);
  Detach(server_, how);
  if (!answered_) owner_->tally.Dialled();
  owner_->tally.Left(by_fault);
  owner_->Gone(*this);
}

void FaultLink::Work() {
  const bool more_up = Carry(up_);
  if (closed_) return;
  const bool more_down = Carry(down_);
  if (closed_) return;
  Tell();
  if (up_.done && down_.done) return Close(Harm::kClose, false);
  if (!more_up && !more_down) return ArmTimer();
  owner_->WakeAt(*this, Clock::now());
}

void FaultLink::Tell() {
  if (up_.carried == 0 && down_.carried == 0) return;
  if (down_.carried > 0 && !std::exchange(answered_, true)) owner_->tally.Dialled();
  owner_->tally.Carried(std::exchange(up_.carried, 0), std::exchange(down_.carried, 0));
}

void FaultLink::ArmTimer() {
  const TimePoint now = Clock::now();
  TimePoint next = TimePoint::max();
  for (const Way* way : {&up_, &down_}) {
    if (way->reset_tries > 0) next = std::min(next, now + std::chrono::milliseconds(1));
    if (!way->to.fd || way->done || way->reset_tries > 0) continue;
    const FaultLine::Next out = way->line.Look(now);
    // Something may have become due since it was looked for.
    const bool due = out.ended || (!out.bytes.empty() && way->to.writable);
    next = std::min(next, due ? now : out.at);
  }
  owner_->WakeAt(*this, next);
}

bool FaultLink::CanRead(const Way& way) const noexcept {
  if (!way.from.fd || !way.from.readable || way.ended || way.reset_tries > 0) return false;
  return (way.to.fd || way.line.Blackholed()) && way.line.Held() < owner_->options.queue_bytes;
}

/// True where there is more to do at once.
bool FaultLink::Carry(Way& way) {
  for (int round = 0; round < kRoundsPerTurn; ++round) {
    const TimePoint now = Clock::now();
    Write(way, now);
    if (closed_ || !CanRead(way)) return false;
    Read(way, now);
    if (closed_) return false;
  }
  return true;
}

void FaultLink::Read(Way& way, TimePoint now) {
  const std::span<char> buffer = owner_->buffer;
  const ssize_t count = ::recv(way.from.fd.Get(), buffer.data(), buffer.size(), 0);
  if (count > 0) {
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (way.line.Straight() && way.to.fd) {
      const auto sent = Send(way, bytes);
      if (!sent) return;
      bytes.remove_prefix(*sent);
    }
    way.line.Push(bytes, now);
  } else if (count == 0) {
    way.ended = true;
    // A hole lets nothing out, not even the end; but a client that has left must not be kept.
    if (way.line.Blackholed() && (&way == &down_ || !way.to.fd)) {
      way.done = true;
      if (!way.to.fd) Close(Harm::kClose, true);
      return;
    }
    way.line.PushEnd(Harm::kNone, now);
  } else if (errno == EAGAIN) {
    way.from.readable = false;
  } else if (errno != EINTR) {
    Close(Harm::kReset, false);
  }
}

/// How many bytes the sink took; nothing where the link is closed now.
std::optional<std::size_t> FaultLink::Send(Way& way, std::string_view bytes) {
  if (!way.to.writable) return 0;
  const ssize_t count = ::send(way.to.fd.Get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count >= 0) {
    way.carried += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }
  if (errno == EAGAIN) {
    way.to.writable = false;
  } else if (errno != EINTR) {
    Close(Harm::kReset, false);
    return std::nullopt;
  }
  return 0;
}

void FaultLink::Write(Way& way, TimePoint now) {
  while (way.to.fd && !way.done) {
    const FaultLine::Next next = way.line.Look(now);
    if (next.ended) return End(way, next.how);
    if (next.bytes.empty()) return;
    const auto sent = Send(way, next.bytes);
    if (!sent || *sent == 0) return;
    way.line.Consume(*sent, now);
  }
}

void FaultLink::End(Way& way, Harm how) {
  if (how == Harm::kReset && way.reset_tries < kMostResetTries) {
    // A reset makes the kernel forget what it has not delivered yet.
    ++way.reset_tries;
    if (Unacknowledged(way.to.fd.Get()) > 0) return;
  }
  if (how == Harm::kReset || how == Harm::kClose) return Close(how, true);
  ::shutdown(way.to.fd.Get(), SHUT_WR);
  way.done = true;
}

}  // namespace perf::backends
