// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "libperf/backends/fault_proxy_link.hpp"

namespace perf::backends {

/// The listening end of a proxy and its links.
/// Thread safety: none; on the loop, but for construction and Tally. Lifetime: its links share it
/// until CloseAll, so CloseAll has to be called.
class FaultCore final : public FaultLinkOwner, public std::enable_shared_from_this<FaultCore> {
 public:
  /// Throws: as FaultProxy.
  FaultCore(EventLoop& the_loop, FaultProxyOptions the_options);
  ~FaultCore();

  const StreamAddress& Address() const noexcept { return address_; }
  /// Begins to accept.
  void Start();
  void Set(const Fault& fault);
  void Strike(Harm how);
  void Inject(std::size_t bytes);
  void CloseAll();
  void Gone(FaultLink& link) override;
  void WakeAt(FaultLink& link, TimePoint at) override;

 private:
  struct Door final : Poller::Watcher {
    FaultCore* core = nullptr;
    void OnEvents(std::uint32_t) override { core->AcceptAll(); }
  };
  struct Bell final : Poller::Watcher {
    FaultCore* core = nullptr;
    void OnEvents(std::uint32_t) override { core->Ring(); }
  };
  struct Held {
    std::shared_ptr<FaultLink> link;
    TimePoint wake = TimePoint::max();
  };

  void Listen();
  void StopListening();
  void Watch();
  void Unwatch();
  void AcceptAll();
  void Ring();
  void SetBell();
  std::vector<std::shared_ptr<FaultLink>> Links() const;

  StreamAddress address_;
  UniqueFd holder_;  // TCP: bound to the port for good, so that nobody else gets it meanwhile
  UniqueFd listener_;
  Door door_;
  UniqueFd timer_;  // one for all: bytes are late by milliseconds, and an alarm by up to eight
  Bell bell_;
  TimePoint rings_at_ = TimePoint::max();
  TimePoint retry_at_ = TimePoint::max();  // accepting, after there was no descriptor for one
  Fault fault_;
  Random random_;
  std::unordered_map<FaultLink*, Held> links_;
  std::set<std::pair<TimePoint, FaultLink*>> wakes_;
  std::vector<char> memory_;
  bool watching_ = false;  // for connections: not while there is no descriptor for one
  bool closed_ = false;
};

}  // namespace perf::backends
