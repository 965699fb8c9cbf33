// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "libperf/backends/fault_proxy.hpp"
#include "libperf/backends/fault_proxy_tally.hpp"
#include "libperf/backends/poller.hpp"
#include "libperf/base/task.hpp"

namespace perf::backends {

class FaultLink;

/// What the links of one proxy need of it; it outlives them.
struct FaultLinkOwner {
  virtual void Gone(FaultLink& link) = 0;
  /// Asks for FaultLink::Work at that instant, in place of the one asked for before.
  virtual void WakeAt(FaultLink& link, TimePoint at) = 0;
  EventLoop& loop;
  FaultProxyOptions options;
  FaultTally tally;
  std::span<char> buffer;  // for one read

 protected:
  FaultLinkOwner(EventLoop& the_loop, FaultProxyOptions the_options)
      : loop(the_loop), options(std::move(the_options)), tally(Clock::now(), options.bucket) {}
  ~FaultLinkOwner() = default;
};

/// One client and its connection to the server.
/// Thread safety: none; on the proxy's loop. Lifetime: shared by its owner and by the task that
/// dials for it; does nothing after Close.
class FaultLink final : public std::enable_shared_from_this<FaultLink> {
 public:
  /// `client` is a non-blocking stream.
  FaultLink(std::shared_ptr<FaultLinkOwner> owner, UniqueFd client, Random random);
  ~FaultLink() { Close(Harm::kClose, false); }

  /// Also begins: once, right after the constructor, with the fault of the moment.
  void Set(const Fault& fault);
  void Strike(Harm how);
  void Inject(std::size_t bytes);
  /// Carries what can be carried, in both directions, and asks to be woken when there is more.
  void Work();
  /// kReset or kClose.
  void Close(Harm how, bool by_fault);

 private:
  struct Side final : Poller::Watcher {
    FaultLink* link = nullptr;
    UniqueFd fd;
    bool readable = true;  // as far as is known: edges of epoll set it, EAGAIN takes it away
    bool writable = true;
    void OnEvents(std::uint32_t events) override;
  };
  struct Way {
    Way(Side& source, Side& sink, Random random) : from(source), to(sink), line(random) {}
    Side& from;
    Side& to;
    FaultLine line;
    bool ended = false;         // the source has said all
    bool done = false;          // and the sink knows
    int reset_tries = 0;        // waits for the sink to have taken what came before the reset
    std::uint64_t carried = 0;  // not yet told to the tally
  };

  void Attach(Side& side, UniqueFd fd);
  void Detach(Side& side, Harm how);
  static Task<void> Dial(std::shared_ptr<FaultLink> self);
  void Dialled(UniqueFd fd, const Failure& failure);
  bool Carry(Way& way);
  bool CanRead(const Way& way) const noexcept;
  void Read(Way& way, TimePoint now);
  void Write(Way& way, TimePoint now);
  std::optional<std::size_t> Send(Way& way, std::string_view bytes);
  void End(Way& way, Harm how);
  void Tell();
  void ArmTimer();

  std::shared_ptr<FaultLinkOwner> owner_;
  Side client_;
  Side server_;
  Way up_;
  Way down_;
  bool dialling_ = false;  // the server is being connected to
  bool answered_ = false;  // a byte of the server has reached the client
  bool closed_ = false;
};

}  // namespace perf::backends
